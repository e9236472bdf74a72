/* SPDX-License-Identifier: MIT */
/*
 * rfork_check(), and what a refused call has in common with it: a process that nobody hears of
 * goes the ghost's way as far as that leads without a child, and says what it has met.
 */
#define _GNU_SOURCE
#include "rfork/check.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include <rfork.h>

#include "rfork/arrival.h"
#include "rfork/hold.h"
#include "rfork/hooks.h"
#include "rfork/io.h"
#include "rfork/options.h"
#include "rfork/settle.h"
#include "rfork/sys.h"

/* More text than this is not asked for. */
#define LIST_MAX_BYTES ((size_t)1 << 20)

/* Until the process that looks is on the ghost's stack. */
#define STACK_BYTES 16384u

/* What the process that looks must know: it may share the memory with us, who go on. */
struct looker {
	struct rf_ghost_order *order;
	struct rf_arena arena;
	int status_read, status_write;
};

/* In the process that looks.  It has the descriptors, but closes only its own. */
static int go_and_look(void *argument)
{
	const struct looker *looker = argument;
	struct rf_ghost_order *order = looker->order;

	rf_sys_close(looker->status_read);
	order->arena = looker->arena;
	order->status_fd = looker->status_write;
	rf_ghost_look(order);
}

/*
 * Makes a process that goes the ghost's way, without a word to libc: no signal tells of the end of
 * what only looks, and no wait() of another thread meets it.  For a fork it is a copy, so that it
 * sees what a fork leaves.  For a move it has the very memory: but descriptors of its own, for to
 * close one of a file ends a process's locks on that.  Its pid, or a negative errno.
 */
static pid_t start_looking(struct looker *looker, const struct rf_options *options)
{
	const int no_exit_signal = 0;
	unsigned char *stack = rf_arena_take(&looker->arena, STACK_BYTES);
	pid_t pid = -1;

	errno = ENOMEM;
	if (stack)
		pid = clone(go_and_look, stack + STACK_BYTES,
			    (options->is_move ? CLONE_VM : 0) | no_exit_signal, looker);
	return pid < 0 ? -errno : pid;
}

/* Takes what it has found: the list goes behind its word. */
static int hear(int fd, struct rf_refusals *refusals, int64_t deadline_ns, struct rf_report *report)
{
	struct rf_refusals found;
	struct rf_ghost_status status;
	int error = rf_io_read_full(fd, &status, sizeof(status), deadline_ns);

	if (error == 0 && status.report.error)
		return rf_report(report, status.report.error, "%s", status.report.sentence);
	if (error == 0)
		error = rf_io_read_full(fd, &found, sizeof(found), deadline_ns);
	if (error == 0 && found.used)
		error = found.used < refusals->bytes
				? rf_io_read_full(fd, refusals->lines, found.used, deadline_ns)
				: -EPROTO;
	if (error == -ETIMEDOUT)
		return rf_report(report, ETIMEDOUT, "the check took longer than its time limit");
	if (error < 0)
		return rf_report(report, -error, "waiting for the process that looks: %m");
	found.lines = refusals->lines;
	if (found.bytes)
		found.lines[found.used] = '\0';
	*refusals = found;
	return 0;
}

/* Has a process go the ghost's way, to the node if there is one at the other end of the
 * connection.  `refusals` takes the order's, and what is found: its room must be the same. */
static int look(struct rf_flight *flight, const struct rf_options *options,
		struct rf_ghost_order *order, struct rf_refusals *refusals,
		struct rf_report *report)
{
	struct looker looker = { .order = order,
				 .arena = flight->arena,
				 .status_read = flight->status_read,
				 .status_write = flight->status_write };
	int64_t deadline_ns = order->deadline_ns;
	sigset_t all, original;
	pid_t pid;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &original);
	memcpy(&order->request.signal_mask, &original, sizeof(order->request.signal_mask));
	pid = start_looking(&looker, options);
	rf_flight_leave_connection(flight);
	pthread_sigmask(SIG_SETMASK, &original, NULL);
	if (pid < 0)
		return rf_report(report, -pid, "clone: %m");
	error = hear(flight->status_read, refusals, deadline_ns, report);
	if (error < 0)
		rf_syscall(SYS_kill, pid, SIGKILL);
	rf_hold_reap(pid);
	return error;
}

int rf_check_refuse(struct rf_flight *flight, const struct rf_options *options,
		    struct rf_ghost_order *order, struct rf_report *report)
{
	static const char advice[] = "; RFORK_CLOSE_OTHERS closes descriptors";
	char lines[RF_REFUSALS_BYTES];
	struct rf_refusals refusals = order->refusals;
	int error;

	if (!refusals.count)
		return 0;
	order->connection = -1; /* the node need not hear of it, and wants no digests */
	order->request.same_boot = true;
	refusals.lines = lines;
	error = look(flight, options, order, &refusals, report);
	return error < 0 ? error
			 : rf_refusals_report(&refusals, "cannot travel",
					      refusals.closable ? advice : "", report);
}

/* -- the call ---------------------------------------------------------------------------------- */

static int check(struct rf_flight *flight, const char *host, const struct rf_options *options,
		 struct rf_refusals *refusals, struct rf_report *report)
{
	struct rf_ghost_order *order = rf_settle_begin(flight, host, options, report);
	int error = 0;
	char *lines;

	if (!order)
		return -report->error;
	lines = rf_arena_take(&flight->arena, refusals->bytes + 1);
	if (!lines)
		return rf_report(report, ENOMEM, "no room for the list");
	rf_refusals_begin(&order->refusals, lines, refusals->bytes);
	error = rf_settle(flight, options, order, report);
	return error < 0 ? error : look(flight, options, order, refusals, report);
}

/* The number of refusals, or a negative errno with a report. */
static int check_prepared(const char *host, const struct rf_options *options,
			  struct rf_refusals *refusals, struct rf_report *report)
{
	struct rf_flight flight;
	int error = rf_flight_begin(&flight);

	if (error < 0)
		return rf_report(report, -error, "pthread_atfork: %m");
	error = check(&flight, host, options, refusals, report);
	rf_flight_end(&flight);
	return error < 0 ? error : (int)refusals->count;
}

/* What the program's own functions close would not have to travel. */
static int check_uncancelled(const char *host, const struct rfork_options *options,
			     struct rf_refusals *refusals, struct rf_report *report)
{
	struct rf_options checked;
	uint64_t last_hook;
	int result = rf_options_check(&checked, options, report);

	if (result == 0 && checked.flags & RFORK_CHECK_MOVE)
		result = rf_options_move(&checked, report);
	if (result == 0)
		result = rf_hooks_prepare(&last_hook, report);
	if (result < 0)
		return result;
	checked.is_check = true;
	rf_options_start_clock(&checked);
	result = check_prepared(host, &checked, refusals, report);
	rf_hooks_parent(last_hook);
	return result;
}

int rfork_check(const char *host, const struct rfork_options *options, char *list, size_t bytes)
{
	struct rf_report report = { 0 };
	struct rf_refusals refusals;
	int state, unused, count;

	rf_refusals_begin(&refusals, list, bytes < LIST_MAX_BYTES ? bytes : LIST_MAX_BYTES);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	count = check_uncancelled(host, options, &refusals, &report);
	pthread_setcancelstate(state, &unused);
	return count < 0 ? rf_fail(&report) : count;
}
