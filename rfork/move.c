/* SPDX-License-Identifier: MIT */
/*
 * Before and after a move of the calling process.  Called by rfork.c; what happens between is
 * ghost.c's.
 */
#define _GNU_SOURCE
#include "rfork/move.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <rfork.h>

#include "rfork/fdcontent.h"
#include "rfork/held.h"
#include "rfork/io.h"
#include "rfork/other_threads.h"
#include "rfork/sys.h"

/* -- who would be left behind ----------------------------------------------------------------- */

static void count_thread(void *context, const char *tid, const char *name)
{
	unsigned *count = context;

	(void)tid, (void)name;
	(*count)++;
}

/* A directory's links are itself, its entry in the one above, and one for each folder in it: where
 * there are no more, nothing else need be looked at. */
static int refuse_threads(struct rf_report *report)
{
	struct stat status;
	unsigned others = 0;
	int error = rf_sys_stat("/proc/self/task", &status);

	if (error == 0 && status.st_nlink > 3)
		error = rf_other_threads(count_thread, &others);
	if (error < 0)
		return rf_report(report, -error, "/proc/self/task: %m");
	if (others)
		return rf_report(report, ENOTSUP,
				 "%u threads cannot move: the calling one must be the only one",
				 others + 1);
	return 0;
}

/* The first child that is not the holder of a checkpoint, which ends with this process; 0 if
 * there is none, or on a kernel that does not list them. */
static long name_child(void)
{
	char path[48], text[4096] = "", *next = text;

	rf_format(path, sizeof(path), "/proc/self/task/%d/children", (int)rf_syscall(SYS_gettid));
	rf_io_read_file(path, text, sizeof(text)); /* of a longer list the beginning will do */
	while (*next) {
		long child = strtol(next, &next, 10);

		if (child > 0 && !rf_held_has((pid_t)child))
			return child;
		next += strspn(next, " \n");
	}
	return 0;
}

/* Whether wait() with such options would find a child. */
static bool has_children(int options)
{
	siginfo_t info;

	return rf_syscall(SYS_waitid, P_ALL, 0, &info,
			  WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT | options,
			  NULL) != -ECHILD;
}

/* Nobody at home could wait for them any more, and on the node they are nobody's children. */
static int refuse_children(struct rf_report *report)
{
	long child;

	if (!has_children(__WALL))
		return 0;
	child = name_child();
	if (child)
		return rf_report(report, ENOTSUP,
				 "child process %ld would be left behind: wait for it first",
				 child);
	/* holders are the only ones that an ordinary wait() does not find */
	if (rf_held_has(0) && !has_children(0))
		return 0;
	return rf_report(report, ENOTSUP,
			 "child processes would be left behind: wait for them first");
}

/* A child of vfork(), or of clone() with its flags, would take the parent's memory and
 * descriptors from under it.  Where the parent may not be looked at, it has other rights than we,
 * and shares nothing. */
static int refuse_sharing(struct rf_report *report)
{
	static const int shared[] = { KCMP_VM, KCMP_FILES };
	long pid = rf_syscall(SYS_getpid), parent = rf_syscall(SYS_getppid);

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		if (rf_syscall(SYS_kcmp, pid, parent, shared[i], 0, 0) == 0)
			return rf_report(report, ENOTSUP,
					 "memory or descriptors are shared with the parent");
	return 0;
}

int rf_move_refuse(struct rf_refusals *refusals, struct rf_report *report)
{
	static int (*const refuse[])(struct rf_report * report) = { refuse_threads, refuse_sharing,
								    refuse_children };
	int error = 0;

	for (size_t i = 0; i < sizeof(refuse) / sizeof(refuse[0]) && error == 0; i++)
		if (refuse[i](report) < 0)
			error = rf_refuse_reported(refusals, report);
	return error;
}

/* -- locks ------------------------------------------------------------------------------------ */

enum locks {
	LOCKS_NONE,
	LOCKS_OF_DESCRIPTION, /* flock(2), F_OFD_SETLK */
	LOCKS_OF_PROCESS,     /* record locks, leases */
};

/* There is a line for each lock that was made through the descriptor, see proc_pid_fdinfo(5). */
static enum locks find_locks(uint32_t number)
{
	char path[48], text[4096];
	enum locks found = LOCKS_NONE;
	const char *line;

	rf_format(path, sizeof(path), "/proc/self/fdinfo/%u", number);
	if (rf_io_read_file(path, text, sizeof(text)) <= 0)
		return LOCKS_NONE;
	for (line = strstr(text, "\nlock:"); line; line = strstr(line + 1, "\nlock:")) {
		const char *kind = strstr(line, ": ");

		if (!kind || (strncmp(kind, ": FLOCK ", 8) && strncmp(kind, ": OFDLCK ", 9)))
			return LOCKS_OF_PROCESS;
		found = LOCKS_OF_DESCRIPTION;
	}
	return found;
}

/* Under the same number, as who inherits it has it. */
static bool has_parent(uint32_t number)
{
	return rf_syscall(SYS_kcmp, rf_syscall(SYS_getpid), rf_syscall(SYS_getppid), KCMP_FILE,
			  number, number) == 0;
}

void rf_move_refuse_locks(struct rf_fdtable *fds, struct rf_refusals *refusals)
{
	for (size_t i = 0; i < fds->count; i++) {
		struct rf_fd *fd = &fds->entries[i];
		enum locks locks = fd->image.kind == RF_DESCRIPTOR_FILE || rf_fdcontent_is(fd)
					   ? find_locks(fd->image.number)
					   : LOCKS_NONE;

		if (locks == LOCKS_OF_DESCRIPTION && has_parent(fd->image.number))
			fd->is_held = true;
		else if (locks != LOCKS_NONE)
			rf_refuse(refusals, "descriptor %u (%s): a lock on a file",
				  fd->image.number, fd->path);
	}
}

/* -- what is under way ------------------------------------------------------------------------- */

/* Signals first: to stop a timer may take back what it has sent.  Then once more, for what came
 * before it stopped. */
static int take_all(struct rf_ghost_order *order, struct rf_report *report)
{
	int error = rf_pending_take(&order->pending, report);

	if (error < 0)
		return error;
	rf_timers_stop(&order->timers);
	error = rf_pending_take(&order->pending, report);
	return error < 0 ? error : rf_pending_keep(&order->pending, &order->arena, report);
}

/* All that its user has queued, here and in other processes; 0 if nobody tells. */
static unsigned long count_queued(void)
{
	char status[8192] = "";
	const char *line;

	rf_io_read_file("/proc/self/status", status, sizeof(status));
	line = strstr(status, "\nSigQ:");
	return line ? strtoul(line + sizeof("\nSigQ:") - 1, NULL, 10) : 0;
}

/* To be counted they must be taken, so that is only done where there may be too many. */
static int count_pending(struct rf_report *report)
{
	struct rf_pending pending;
	struct rf_arena scratch;
	uint64_t mask;
	int error;

	if (count_queued() <= RF_IMAGE_MAX_PENDING)
		return 0;
	error = rf_arena_map(&scratch, RF_ARENA_BYTES);
	if (error < 0)
		return rf_report(report, -error, "memory for pending signals: %m");
	mask = rf_move_block_signals();
	rf_pending_prepare(&pending, &scratch);
	error = rf_pending_take(&pending, report);
	rf_pending_put_back(&pending);
	rf_move_restore_signals(mask);
	rf_arena_unmap(&scratch);
	return error;
}

int rf_move_refuse_signals(struct rf_arena *arena, struct rf_refusals *refusals,
			   struct rf_report *report)
{
	struct rf_timers timers;
	int error = 0;

	if (rf_timers_list(&timers, arena, report) < 0)
		error = rf_refuse_reported(refusals, report);
	if (error == 0 && count_pending(report) < 0)
		error = rf_refuse_reported(refusals, report);
	return error;
}

int rf_move_quiesce(struct rf_ghost_order *order, struct rf_report *report)
{
	int error = rf_timers_list(&order->timers, &order->arena, report);

	if (error < 0)
		return error;
	rf_timers_keep_own(&order->timers, NULL, NULL);
	rf_pending_prepare(&order->pending, &order->arena);
	order->request.pending = &order->pending;
	order->request.timers = &order->timers;
	error = take_all(order, report);
	if (error < 0)
		rf_move_resume(order);
	return error;
}

void rf_move_resume(struct rf_ghost_order *order)
{
	rf_pending_put_back(&order->pending);
	rf_timers_start(&order->timers);
}

/* -- signals ----------------------------------------------------------------------------------- */

uint64_t rf_move_block_signals(void)
{
	const uint64_t all = UINT64_MAX;
	uint64_t mask = 0;

	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(all));
	return mask;
}

void rf_move_restore_signals(uint64_t mask)
{
	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
}
