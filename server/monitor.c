/* SPDX-License-Identifier: MIT */
/*
 * The event loop of the listener.  Called by main().  It looks at no byte of a
 * connection, blocks nowhere but in epoll.
 */
#define _GNU_SOURCE
#include "server/monitor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/descendants.h"
#include "server/descriptor.h"
#include "server/log.h"

/* epoll data: the index of a session, or one of these. */
#define EVENT_SIGNAL (UINT64_C(1) << 32)
#define EVENT_LISTENER (UINT64_C(1) << 33) /* plus the index */

#define STARVED_PAUSE_MS 1000

int rf_monitor_prepare(struct rf_monitor *monitor, struct rf_report *report)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = EVENT_SIGNAL };
	const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP };
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		sigaddset(&mask, numbers[i]);
		/* An ignored SIGCHLD, inherited, would take the exit statuses away. */
		if (signal(numbers[i], SIG_DFL) == SIG_ERR)
			return rf_report(report, errno, "signal %d: %m", numbers[i]);
	}
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &mask, NULL) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return rf_report(report, errno, "signals and orphans: %m");
	monitor->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	monitor->poll = epoll_create1(EPOLL_CLOEXEC);
	if (monitor->signals < 0 || monitor->poll < 0 ||
	    epoll_ctl(monitor->poll, EPOLL_CTL_ADD, monitor->signals, &event) < 0)
		return rf_report(report, errno, "the event loop: %m");
	return 0;
}

/* Starts or stops listening for connections: while the table is full they wait in the queue. */
static int accept_connections(struct rf_monitor *monitor, bool accepting)
{
	if (monitor->accepting == accepting)
		return 0;
	for (size_t i = 0; i < monitor->listener->count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = EVENT_LISTENER + i };

		if (epoll_ctl(monitor->poll, accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			      monitor->listener->fds[i], &event) < 0)
			return -errno;
	}
	monitor->accepting = accepting;
	return 0;
}

static void hand_over(struct rf_monitor *monitor, int connection)
{
	uint32_t id = ++monitor->last_connection_id;
	int error = rf_sessions_hand_over(monitor->sessions, connection, id, monitor->key);

	/* Closing it is all that can be said to a caller who has not proved itself. */
	if (error < 0)
		rf_log("[c%u] no session for the connection: %s", id, strerrordesc_np(-error));
}

/* Accepts one connection per call, so that news and signals are never far behind. */
static void accept_one(struct rf_monitor *monitor, size_t index)
{
	int connection;

	if (!monitor->accepting || index >= monitor->listener->count)
		return;
	connection = rf_listener_accept(monitor->listener->fds[index]);
	if (connection == -EAGAIN)
		return;
	if (connection < 0) {
		rf_log("accepting a connection: %s", strerrordesc_np(-connection));
		monitor->starved = true;
		return;
	}
	hand_over(monitor, connection);
	close(connection);
}

static void kill_orphan(pid_t pid, void *argument)
{
	const struct rf_monitor *monitor = argument;

	if (!rf_sessions_contain(monitor->sessions, pid))
		(void)kill(pid, SIGKILL);
}

/*
 * A session ends with 0 only when all its descendants have ended; so whatever else comes to this
 * subreaper was left by a dead one.  Those that a killed orphan leaves in turn come here by
 * the same way.
 */
static void reap(struct rf_monitor *monitor)
{
	bool orphans = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		bool was_session;

		if (!rf_sessions_reaped(monitor->sessions, pid, status, &was_session) ||
		    !was_session)
			orphans = true;
	}
	if (orphans && rf_descendants_visit(kill_orphan, monitor) < 0)
		rf_log("orphans of a dead session cannot be listed");
}

static void reread_key(struct rf_monitor *monitor)
{
	const char *path = monitor->config->key_file[0] ? monitor->config->key_file : NULL;
	struct rf_report report = { 0 };
	struct rf_key fresh;

	if (rf_key_load(&fresh, path, &report) < 0) {
		rf_log("the old key stays: %s", report.sentence);
		return;
	}
	rf_key_wipe(monitor->key);
	*monitor->key = fresh;
	rf_log("key reread");
}

static void end(struct rf_monitor *monitor)
{
	if (monitor->ending) {
		rf_log("ending now: killing %zu sessions", rf_sessions_alive(monitor->sessions));
		rf_sessions_kill(monitor->sessions);
		return;
	}
	monitor->ending = true;
	(void)accept_connections(monitor, false);
	rf_listener_close(monitor->listener);
	rf_sessions_dismiss_spares(monitor->sessions);
	rf_log("ending: no more connections, waiting for %zu children",
	       monitor->sessions->counts[RF_SESSION_STARTING] +
		       monitor->sessions->counts[RF_SESSION_RUNNING]);
}

static void take_signals(struct rf_monitor *monitor)
{
	struct signalfd_siginfo info;

	while (read(monitor->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reread_key(monitor);
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			end(monitor);
	}
	reap(monitor);
}

/*
 * News and signals first, connections last: a caller that has just heard of the end of a child may
 * ask for the next one, and must find the node with room.
 */
static int dispatch(struct rf_monitor *monitor)
{
	enum { BATCH = 64 };
	struct epoll_event events[BATCH];
	uint64_t listeners = 0;
	/* What the machine lacks may come back without an event of ours. */
	int timeout_ms = monitor->starved ? STARVED_PAUSE_MS : -1;
	int count;

	_Static_assert(RF_LISTENER_SOCKETS_MAX <= 64, "a bit each");
	do {
		count = epoll_wait(monitor->poll, events, BATCH, timeout_ms);
		if (count < 0)
			return errno == EINTR ? 0 : -errno;
		for (int i = 0; i < count; i++) {
			uint64_t data = events[i].data.u64;

			if (data >= EVENT_LISTENER)
				listeners |= UINT64_C(1) << (data - EVENT_LISTENER);
			else if (data == EVENT_SIGNAL)
				take_signals(monitor);
			else
				rf_sessions_listen(monitor->sessions, (size_t)data);
		}
		timeout_ms = 0; /* only what a full batch left over */
	} while (count == BATCH);
	monitor->starved = false;
	for (size_t i = 0; listeners >> i; i++)
		if (listeners >> i & 1)
			accept_one(monitor, i);
	return 0;
}

/* Whether anything is left to wait for after SIGTERM: sessions, or orphans being killed. */
static bool is_done(const struct rf_monitor *monitor)
{
	return monitor->ending && !rf_sessions_alive(monitor->sessions) &&
	       waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

int rf_monitor_run(struct rf_monitor *monitor, struct rf_report *report)
{
	while (!is_done(monitor)) {
		int error = 0;

		if (!monitor->ending) {
			rf_sessions_refill(monitor->sessions);
			error = accept_connections(monitor,
						   rf_sessions_have_room(monitor->sessions) &&
							   !monitor->starved);
		}
		if (error == 0)
			error = dispatch(monitor);
		if (error < 0)
			return rf_report(report, -error, "the event loop: %m");
	}
	rf_log("ended");
	return 0;
}
