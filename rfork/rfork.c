/* SPDX-License-Identifier: MIT */
/*
 * The public entry points: check the arguments, then call the parts in order.
 * DESIGN: connect, authenticate and agree first; then fork; then wait for the
 * ghost's word.
 */
#define _GNU_SOURCE
#include <rfork.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/arrival.h"
#include "rfork/check.h"
#include "rfork/fdobject.h"
#include "rfork/ghost.h"
#include "rfork/hooks.h"
#include "rfork/io.h"
#include "rfork/move.h"
#include "rfork/options.h"
#include "rfork/settle.h"
#include "rfork/state.h"
#include "rfork/sys.h"

#define STRINGIFY(x) #x
#define VERSION_STRING(a, b, c) STRINGIFY(a) "." STRINGIFY(b) "." STRINGIFY(c)

const char *rfork_error(void)
{
	return rf_last_report()->sentence;
}

const char *rfork_report(void)
{
	return rf_kept_warnings();
}

const char *rfork_version(void)
{
	return VERSION_STRING(RFORK_VERSION_MAJOR, RFORK_VERSION_MINOR, RFORK_VERSION_PATCH);
}

/* -- the fork ---------------------------------------------------------------------------------- */

/*
 * fork(), and the ghost's life in the child.  Returns the ghost's pid, 0 in the remote child, or a
 * negative errno.  Owns nothing: its frame lives on in three processes.
 */
static pid_t fork_returns_twice(struct rf_flight *flight, struct rf_ghost_order *order)
{
	/* the order itself is no part of the image */
	enum rf_shell_report_kind kind = order->is_expecting ? RF_SHELL_EXPECTING
							     : RF_SHELL_RUNNING;
	struct rf_arrival *arrival;
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	rf_sys_close(flight->status_read);
	order->arena = flight->arena;
	order->status_fd = flight->status_write;
	arrival = rf_ghost_become(order);
	rf_arrive(arrival, kind);
	return 0;
}

/* -- after the fork ---------------------------------------------------------------------------- */

/*
 * Takes the ghost's SIGCHLD off the queue, unless one was pending before: nobody waits for a child
 * that rfork() did not return.  The signal of another child, which the kernel may have merged with
 * it, goes back: a stray signal is better than a lost one.
 */
static void reap_failed(pid_t ghost, bool was_pending)
{
	const struct timespec now = { 0 };
	siginfo_t other = { .si_signo = 0 }, taken;
	sigset_t set;

	while (waitpid(ghost, NULL, __WALL) < 0 && errno == EINTR)
		;
	if (was_pending)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigtimedwait(&set, &taken, &now) != SIGCHLD)
		return;
	if (taken.si_pid == ghost &&
	    (waitid(P_ALL, 0, &other, WEXITED | WNOHANG | WNOWAIT) < 0 || other.si_pid == 0))
		return;
	rf_syscall(SYS_rt_sigqueueinfo, getpid(), SIGCHLD, other.si_pid ? &other : &taken);
}

/* Reads the ghost's word, and keeps what it says of a child that runs. */
static int read_status(int fd, int64_t deadline_ns, struct rf_ghost_status *status)
{
	char warnings[RF_WARNINGS_BYTES];
	int error = rf_io_read_full(fd, status, sizeof(*status), deadline_ns);

	if (error == 0 && status->warning_bytes > sizeof(warnings))
		error = -EPROTO;
	if (error == 0)
		error = rf_io_read_full(fd, warnings, status->warning_bytes, deadline_ns);
	if (error == 0)
		rf_keep_warnings(warnings, status->warning_bytes);
	return error;
}

/* Waits for the ghost's word; fills the status.  0 or a negative errno with a report. */
static int hear_ghost(struct rf_flight *flight, pid_t ghost, const struct rf_options *options,
		      struct rf_ghost_status *status, struct rf_report *report)
{
	int error = read_status(flight->status_read, options->deadline_ns, status);

	if (error == 0)
		return status->report.error ? rf_report(report, status->report.error, "%s",
							status->report.sentence)
					    : 0;
	/* After its end of the pipe was closed the ghost is dead, and its pid may be another's. */
	if (error != -ECONNRESET)
		kill(ghost, SIGKILL);
	if (error == -ETIMEDOUT)
		return rf_report(report, ETIMEDOUT,
				 "the hand-over took longer than its time limit");
	if (error == -ECONNRESET)
		return rf_report(report, ECONNRESET, "the ghost process died during the hand-over");
	return rf_report(report, -error, "waiting for the ghost: %m");
}

static bool is_sigchld_pending(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, SIGCHLD) == 1;
}

static pid_t hand_over(struct rf_flight *flight, struct rf_ghost_order *order,
		       const struct rf_options *options, struct rf_report *report)
{
	struct rf_ghost_status status;
	sigset_t all, original, waiting;
	bool was_pending;
	pid_t pid;

	/* The mask that the child gets is the one from before rfork(). */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &original);
	memcpy(&order->request.signal_mask, &original, sizeof(order->request.signal_mask));
	/* no handler changes them any more */
	rf_fdobject_renew(&order->fds);
	was_pending = is_sigchld_pending();
	order->is_expecting = !(options->flags & RFORK_DETACH) &&
			      rf_fdtable_has_news(&order->fds, &flight->arena);
	pid = fork_returns_twice(flight, order);
	if (pid == 0)
		return 0;
	rf_flight_leave_ghost(flight);
	if (pid < 0) {
		pthread_sigmask(SIG_SETMASK, &original, NULL);
		return rf_report(report, -pid, "fork: %m");
	}
	if (options->flags & RFORK_ASYNC) {
		/* The snapshot exists: what fails from now on, the ghost tells. */
		pthread_sigmask(SIG_SETMASK, &original, NULL);
		rf_keep_warnings("", 0);
		return pid;
	}
	waiting = original;
	sigaddset(&waiting, SIGCHLD);
	pthread_sigmask(SIG_SETMASK, &waiting, NULL);
	if (hear_ghost(flight, pid, options, &status, report) < 0) {
		reap_failed(pid, was_pending);
		pid = -report->error;
	}
	pthread_sigmask(SIG_SETMASK, &original, NULL);
	return pid;
}

/* -- the order of a call ----------------------------------------------------------------------- */

/* Returns the ghost's pid, 0 in the remote child, or a negative errno with a report. */
static pid_t rfork_returns_twice(struct rf_flight *flight, const char *host,
				 const struct rf_options *options, struct rf_report *report)
{
	struct rf_ghost_order *order = rf_settle_begin(flight, host, options, report);
	int error = order ? rf_settle(flight, options, order, report) : -report->error;

	if (error == 0)
		error = rf_check_refuse(flight, options, order, report);
	if (order)
		rf_attributes_fork(&order->attributes);
	return error < 0 ? error : hand_over(flight, order, options, report);
}

/*
 * The move itself, with all signals blocked: what is pending must not be delivered before the
 * process has left home for good.  0 in the process that goes on, on the node, or a negative errno
 * with a report.
 */
static int leave_returns_twice(struct rf_flight *flight, struct rf_ghost_order *order,
			       struct rf_report *report)
{
	struct rf_arrival *arrival;
	int error;

	order->arena = flight->arena;
	order->request.signal_mask = UINT64_MAX;
	order->caller = getppid();
	rf_pipes_find(&order->pipes, &order->fds, &order->arena, rf_state_node_session());
	order->request.pipes = &order->pipes;
	error = rf_rest_find_locked_memory(&order->kept, &order->arena, report);
	if (error == 0)
		error = rf_move_quiesce(order, report);
	if (error < 0)
		return error;
	arrival = rf_ghost_move(order);
	if (!arrival) {
		rf_move_resume(order);
		return rf_report(report, order->failure.error, "%s", order->failure.sentence);
	}
	rf_arrive(arrival, RF_SHELL_WAITING);
	return 0;
}

/* Signals are blocked before the survey: no handler may open a descriptor, or start a child, that
 * the move would lose. */
static pid_t move_returns_twice(struct rf_flight *flight, const char *host,
				const struct rf_options *options, struct rf_report *report)
{
	struct rf_ghost_order *order = rf_settle_begin(flight, host, options, report);
	uint64_t mask;
	int error;

	if (!order)
		return -report->error;
	mask = rf_move_block_signals();
	error = rf_settle(flight, options, order, report);
	if (error == 0)
		error = rf_check_refuse(flight, options, order, report);
	if (error == 0)
		error = leave_returns_twice(flight, order, report);
	rf_move_restore_signals(mask);
	return error;
}

/* -- the calls --------------------------------------------------------------------------------- */

typedef pid_t (*way_returns_twice)(struct rf_flight *flight, const char *host,
				   const struct rf_options *options, struct rf_report *report);

/* With the process as the program's own functions have left it.  Results as of the ways. */
static pid_t fly_returns_twice(const char *host, const struct rf_options *options,
			       way_returns_twice way, struct rf_report *report)
{
	struct rf_flight flight;
	pid_t pid = rf_flight_begin(&flight);

	if (pid < 0)
		return rf_report(report, -pid, "pthread_atfork: %m");
	pid = way(&flight, host, options, report);
	if (pid == 0)
		return 0; /* on the node: there is no flight */
	rf_flight_end(&flight);
	return pid;
}

/* A thread that is cancelled half-way would leave its flight behind. */
static pid_t go_uncancelled_returns_twice(const char *host, const struct rfork_options *options,
					  way_returns_twice way)
{
	struct rf_report report = { 0 };
	struct rf_options checked;
	uint64_t last_hook;
	pid_t pid = rf_options_check(&checked, options, &report);

	if (pid == 0 && checked.flags & RFORK_CHECK_MOVE)
		pid = rf_report(&report, EINVAL, "RFORK_CHECK_MOVE is for rfork_check()");
	if (pid == 0 && way == move_returns_twice)
		pid = rf_options_move(&checked, &report);
	if (pid == 0)
		pid = rf_hooks_prepare(&last_hook, &report);
	if (pid < 0)
		return rf_fail(&report);
	rf_options_start_clock(&checked);
	pid = fly_returns_twice(host, &checked, way, &report);
	if (pid == 0) {
		rf_hooks_child(last_hook);
		return 0;
	}
	rf_hooks_parent(last_hook);
	return pid < 0 ? rf_fail(&report) : pid;
}

static pid_t go_returns_twice(const char *host, const struct rfork_options *options,
			      way_returns_twice way)
{
	int state, unused;
	pid_t pid;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pid = go_uncancelled_returns_twice(host, options, way);
	pthread_setcancelstate(state, &unused);
	return pid;
}

pid_t rfork_with(const char *host, const struct rfork_options *options)
{
	return go_returns_twice(host, options, rfork_returns_twice);
}

pid_t rfork(const char *host)
{
	return rfork_with(host, NULL);
}

int rfork_move_with(const char *host, const struct rfork_options *options)
{
	return go_returns_twice(host, options, move_returns_twice);
}

int rfork_move(const char *host)
{
	return rfork_move_with(host, NULL);
}
