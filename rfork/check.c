/* SPDX-License-Identifier: MIT */
/*
 * rfork_check(), and what a refused call has in common with it: a process that nobody hears of is
 * made as the ghost would be, goes the ghost's way as far as it can without a child, and says what
 * it has met.
 */
#define _GNU_SOURCE
#include "rfork/check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <rfork.h>

#include "rfork/arrival.h"
#include "rfork/hold.h"
#include "rfork/io.h"
#include "rfork/options.h"
#include "rfork/settle.h"
#include "rfork/sys.h"

/* More text than this is not asked for. */
#define LIST_MAX_BYTES ((size_t)1 << 20)

/*
 * A fork that libc does not hear of, as that of a holder: no signal tells of the end of what only
 * looks, and no wait() of another thread meets it.  Its pid, or a negative errno.
 */
static pid_t fork_unseen(struct rf_flight *flight, struct rf_ghost_order *order)
{
	const unsigned long no_exit_signal = 0;
	long pid = rf_syscall(SYS_clone, no_exit_signal, 0, 0, 0, 0);

	if (pid != 0)
		return (pid_t)pid;
	rf_sys_close(flight->status_read);
	order->arena = flight->arena;
	order->status_fd = flight->status_write;
	rf_ghost_look(order);
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

/* Has a copy of this process go the ghost's way, to the node if there is one at the other end of
 * the connection.  `refusals` takes the order's, and what is found: its room must be the same. */
static int look(struct rf_flight *flight, struct rf_ghost_order *order,
		struct rf_refusals *refusals, struct rf_report *report)
{
	int64_t deadline_ns = order->deadline_ns;
	sigset_t all, original;
	pid_t pid;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &original);
	memcpy(&order->request.signal_mask, &original, sizeof(order->request.signal_mask));
	pid = fork_unseen(flight, order);
	rf_flight_leave_ghost(flight);
	pthread_sigmask(SIG_SETMASK, &original, NULL);
	if (pid < 0)
		return rf_report(report, -pid, "fork: %m");
	error = hear(flight->status_read, refusals, deadline_ns, report);
	if (error < 0)
		rf_syscall(SYS_kill, pid, SIGKILL);
	rf_hold_reap(pid);
	return error;
}

int rf_check_refuse(struct rf_flight *flight, struct rf_ghost_order *order,
		    struct rf_report *report)
{
	static const char advice[] = "; RFORK_CLOSE_OTHERS closes descriptors";
	char lines[RF_REFUSALS_BYTES];
	struct rf_refusals refusals = order->refusals;
	int error;

	if (!refusals.count)
		return 0;
	order->connection = -1; /* the node need not hear of it */
	refusals.lines = lines;
	error = look(flight, order, &refusals, report);
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
	return error < 0 ? error : look(flight, order, refusals, report);
}

/* The number of refusals, or a negative errno with a report. */
static int check_uncancelled(const char *host, const struct rfork_options *options,
			     struct rf_refusals *refusals, struct rf_report *report)
{
	struct rf_options checked;
	struct rf_flight flight;
	int error = rf_options_check(&checked, options, report);

	if (error < 0)
		return error;
	checked.is_check = true;
	error = rf_flight_begin(&flight);
	if (error < 0)
		return rf_report(report, -error, "pthread_atfork: %m");
	error = check(&flight, host, &checked, refusals, report);
	rf_flight_end(&flight);
	return error < 0 ? error : (int)refusals->count;
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
