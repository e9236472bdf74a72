/* SPDX-License-Identifier: MIT */
/*
 * The helper of a ghost, and the process between the two.  Called by ghost_road.c, frozen.
 *
 * exec(2) gives a process SIGCHLD as its exit signal, whatever it had, and who waits for any child
 * would find it.  So its parent is a process without an exit signal, which only __WALL finds, and
 * which does nothing but start it and wait for it.  That one has the ghost's memory (CLONE_VM): to
 * fork it would cost what the fork of the ghost has cost, and pages that it shares would be copied
 * when they are written.  Each of the two dies with its parent.
 */
#define _GNU_SOURCE
#include "rfork/ghost_helper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "rfork/arch.h"
#include "rfork/io.h"
#include "rfork/pages_protocol.h"
#include "rfork/sys.h"

#define STACK_BYTES ((size_t)16 << 10)
/* Above every number that the helper gets. */
#define SPARE_FD 16

/* -- the process between ----------------------------------------------------------------------- */

static long die_with(long parent)
{
	rf_sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	return rf_syscall(SYS_getppid) == parent ? 0 : -ESRCH;
}

/* Standard files that lead nowhere, and what the helper is for. */
static long take_descriptors(const struct rf_ghost_helper *helper)
{
	long socket = rf_syscall(SYS_fcntl, helper->their_socket, F_DUPFD_CLOEXEC, SPARE_FD);
	long ring = rf_syscall(SYS_fcntl, helper->their_ring, F_DUPFD_CLOEXEC, SPARE_FD);
	long null = rf_sys_open("/dev/null", O_RDWR);
	const long from[] = { null, null, null, socket, ring };

	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
		long error = from[i];

		if (error >= 0 && from[i] != (long)i)
			error = rf_syscall(SYS_dup2, from[i], i);
		if (error < 0)
			return error;
	}
	return 0;
}

/* What exec(2) keeps, and with which its libraries do not run: PR_TSC_SIGSEGV. */
static void drop_attributes(void)
{
	rf_sys_prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0);
}

/* Its parent waits until it has executed, or returned. */
static void become_helper(void *argument)
{
	static const char *const arguments[] = { "rfork-pages", NULL };
	static const char *const environment[] = { NULL };
	struct rf_ghost_helper *helper = argument;
	long error = die_with(helper->parent);

	helper->pid = rf_syscall(SYS_getpid);
	/* the ghost first says so, and then looks for a pid */
	__sync_synchronize();
	if (error == 0 && helper->is_unwanted)
		error = -ECANCELED;
	if (error == 0)
		error = take_descriptors(helper);
	drop_attributes();
	if (error == 0)
		error = rf_syscall(SYS_execve, helper->path, arguments, environment);
	helper->error = error;
}

/* What is open is a copy, in which a stream of the program's would not end. */
static void keep_only(unsigned first, unsigned second)
{
	unsigned low = first < second ? first : second, high = first < second ? second : first;

	if (low)
		rf_sys_close_between(0, low - 1);
	rf_sys_close_between(low + 1, high - 1);
	rf_sys_close_between(high + 1, UINT32_MAX);
}

static void wait_for(long pid, int options)
{
	while (rf_syscall(SYS_waitid, P_PID, pid, NULL, WEXITED | __WALL | options, NULL) == -EINTR)
		;
}

static void live_between(void *argument)
{
	struct rf_ghost_helper *helper = argument;
	long pid;

	if (die_with(helper->ghost) < 0)
		return;
	helper->parent = rf_syscall(SYS_getpid);
	keep_only((unsigned)helper->their_socket, (unsigned)helper->their_ring);
	pid = rf_arch_start_process(CLONE_VM | CLONE_VFORK | SIGCHLD,
				    helper->stacks + 2 * STACK_BYTES, become_helper, helper);
	if (pid < 0)
		helper->error = pid;
	rf_sys_close_between(0, UINT32_MAX);
	if (pid < 0)
		return;
	/* the number may be another's once it has been waited for */
	wait_for(pid, WNOWAIT);
	helper->pid = 0;
	__sync_synchronize();
	wait_for(pid, 0);
}

/* -- the ghost --------------------------------------------------------------------------------- */

static void close_fd(int fd)
{
	if (fd >= 0)
		rf_sys_close(fd);
}

static int open_sockets(struct rf_ghost_helper *helper)
{
	int pair[2];
	int error =
		(int)rf_syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);

	if (error < 0)
		return error;
	helper->socket = rf_io_above_stdio(pair[0]);
	helper->their_socket = rf_io_above_stdio(pair[1]);
	return helper->socket < 0	  ? helper->socket
	       : helper->their_socket < 0 ? helper->their_socket
					  : 0;
}

int rf_ghost_helper_start(struct rf_ghost_helper *helper, struct rf_arena *arena, const char *path,
			  int ring)
{
	long started;

	*helper = (struct rf_ghost_helper){ .socket = -1,
					    .path = path,
					    .their_socket = -1,
					    .their_ring = ring,
					    .ghost = rf_syscall(SYS_getpid),
					    .stacks = rf_arena_take(arena, 2 * STACK_BYTES) };
	started = helper->stacks ? open_sockets(helper) : -ENOMEM;
	if (started == 0)
		started = rf_arch_start_process(CLONE_VM, helper->stacks + STACK_BYTES,
						live_between, helper);
	/* only the descriptor: the process between reads its number yet */
	close_fd(helper->their_socket);
	if (started > 0) {
		helper->parent = started;
		return 0;
	}
	close_fd(helper->socket);
	helper->socket = -1;
	return (int)started;
}

/* One that hears nothing, as its device or whoever has stopped it will have it, does not keep
 * us. */
static void kill_helper(struct rf_ghost_helper *helper)
{
	long pid, fd;

	helper->is_unwanted = true;
	__sync_synchronize();
	pid = helper->pid;
	fd = pid ? rf_syscall(SYS_pidfd_open, pid, 0) : -ESRCH;
	if (fd < 0)
		return;
	if (helper->pid == pid)
		rf_syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	rf_sys_close((int)fd);
}

void rf_ghost_helper_end(struct rf_ghost_helper *helper)
{
	close_fd(helper->socket);
	helper->socket = -1;
	if (helper->parent) {
		kill_helper(helper);
		wait_for(helper->parent, 0);
	}
	helper->parent = 0;
}
