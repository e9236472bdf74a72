/* SPDX-License-Identifier: MIT */
/*
 * Signals of a ghost.  Called by ghost.c and ghost_relay.c.  No handler ever runs in a ghost: all
 * signals are blocked from its first instruction on, and read from a descriptor.
 */
#define _GNU_SOURCE
#include "rfork/ghost_signals.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/signalfd.h>

#include "rfork/link_watch.h"
#include "rfork/sys.h"

#define KERNEL_SIGSET_BYTES sizeof(uint64_t)
#define LAST_SIGNAL 64u

static uint64_t bit_of(unsigned signal)
{
	return UINT64_C(1) << (signal - 1);
}

void rf_ghost_block_signals(void)
{
	const uint64_t all = UINT64_MAX;

	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, KERNEL_SIGSET_BYTES);
}

int rf_ghost_open_signals(void)
{
	const uint64_t all = UINT64_MAX;

	return (int)rf_syscall(SYS_signalfd4, -1, &all, KERNEL_SIGSET_BYTES,
			       SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What the kernel sends us because of what we do is not for the child. */
static bool is_our_own(const struct signalfd_siginfo *info)
{
	bool is_ours = info->ssi_code == SI_USER &&
		       info->ssi_pid == (uint32_t)rf_syscall(SYS_getpid);

	switch (info->ssi_signo) {
	case SIGPIPE: /* the child gets its own when the channel ends */
		return is_ours || info->ssi_code == SI_KERNEL;
	case SIGCONT: /* the connection's word, see rf_ghost_stop() */
		return info->ssi_code > 0 && info->ssi_code != SI_KERNEL;
	case SIGCHLD:
		return info->ssi_code > 0;
	case RF_GHOST_GUARD_SIGNAL:
		return info->ssi_code == SI_TIMER;
	}
	return false;
}

int rf_ghost_read_signal(int fd, struct rf_frame_signal *signal)
{
	struct signalfd_siginfo info;

	for (;;) {
		long got = rf_sys_read(fd, &info, sizeof(info));

		if (got == -EINTR)
			continue;
		if (got != (long)sizeof(info))
			return 0;
		if (is_our_own(&info))
			continue;
		*signal = (struct rf_frame_signal){ .signal = info.ssi_signo,
						    .code = info.ssi_code,
						    .value = info.ssi_ptr };
		return 1;
	}
}

int rf_ghost_send_signal(pid_t caller, const struct rf_frame_signal *signal)
{
	siginfo_t info = { .si_signo = (int)signal->signal, .si_code = signal->code };

	if (signal->signal == 0 || signal->signal > LAST_SIGNAL || signal->signal == SIGKILL ||
	    signal->signal == SIGSTOP)
		return -EBADMSG;
	if (rf_syscall(SYS_getppid) != caller)
		return 0; /* it is gone, and our new parent has nothing to do with it */
	if (signal->code >= 0 || signal->code == SI_TKILL) {
		rf_syscall(SYS_kill, caller, signal->signal);
		return 0;
	}
	info.si_pid = (pid_t)rf_syscall(SYS_getpid);
	info.si_uid = (uid_t)rf_syscall(SYS_getuid);
	info.si_value.sival_ptr = (void *)(uintptr_t)signal->value;
	rf_syscall(SYS_rt_sigqueueinfo, caller, signal->signal, &info);
	return 0;
}

static void set_default(unsigned signal)
{
	const struct {
		void *handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = { 0 };

	rf_syscall(SYS_rt_sigaction, signal, &action, NULL, KERNEL_SIGSET_BYTES);
}

static bool is_ignored(unsigned signal)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = { 0 };

	rf_syscall(SYS_rt_sigaction, signal, NULL, &action, KERNEL_SIGSET_BYTES);
	return action.handler == SIG_IGN;
}

void rf_ghost_release_signals(void)
{
	const uint64_t blocked = bit_of(SIGPIPE);

	for (unsigned signal = 1; signal <= LAST_SIGNAL; signal++)
		if (!is_ignored(signal))
			set_default(signal);
	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, KERNEL_SIGSET_BYTES);
}

static bool has_input(int connection)
{
	struct pollfd pollfd = { .fd = connection, .events = POLLIN };

	return rf_sys_poll(&pollfd, 1, 0) != 0;
}

static void send_self(unsigned signal)
{
	rf_syscall(SYS_kill, rf_syscall(SYS_getpid), signal);
}

static bool is_pending(unsigned signal)
{
	uint64_t pending = 0;

	rf_syscall(SYS_rt_sigpending, &pending, KERNEL_SIGSET_BYTES);
	return pending & bit_of(signal);
}

static void take_action(unsigned signal)
{
	uint64_t bit = bit_of(signal);

	set_default(signal);
	send_self(signal);
	rf_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &bit, NULL, KERNEL_SIGSET_BYTES);
	rf_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &bit, NULL, KERNEL_SIGSET_BYTES);
}

/* In an orphaned process group the signals of terminals do not stop; but the child has stopped.  A stop
 * takes a pending SIGCONT away, and one ends the stop: it is pending if there was one, or a stop signal
 * that came later and took it away in turn. */
static void stop_by(unsigned signal)
{
	if (signal != SIGSTOP)
		take_action(signal);
	if (signal == SIGSTOP || !(is_pending(SIGCONT) || is_pending(SIGTSTP) ||
				   is_pending(SIGTTIN) || is_pending(SIGTTOU)))
		send_self(SIGSTOP);
}

bool rf_ghost_stop(int connection, uint32_t signal)
{
	bool was_continued = false;
	long flags = rf_syscall(SYS_fcntl, connection, F_GETFL);

	/* A stopped process reads nothing: input has to wake it, by the signal that does. */
	rf_syscall(SYS_fcntl, connection, F_SETOWN, rf_syscall(SYS_getpid));
	rf_syscall(SYS_fcntl, connection, F_SETSIG, SIGCONT);
	rf_syscall(SYS_fcntl, connection, F_SETFL, flags | O_ASYNC);
	/* Nor does it look at its link; the node reads whatever is under way to it. */
	rf_link_watch_leave_to_kernel(connection, RF_LINK_LOST_S);
	if (!has_input(connection)) {
		stop_by(signal);
		was_continued = !has_input(connection) && !is_pending(SIGCONT);
	}
	rf_link_watch_leave_to_kernel(connection, 0);
	rf_syscall(SYS_fcntl, connection, F_SETFL, flags);
	return was_continued;
}

_Noreturn void rf_ghost_die(int signal)
{
	take_action((unsigned)signal);
	rf_sys_exit(128 + signal); /* a signal that does not kill cannot have ended the child */
}
