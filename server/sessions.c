/* SPDX-License-Identifier: MIT */
/*
 * Starts sessions, hands connections to them and keeps count.  Called by the monitor
 * only; must not block, as it is the listener's one thread.
 */
#define _GNU_SOURCE
#include "server/sessions.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/descriptor.h"
#include "server/handover.h"
#include "server/log.h"

/* A fork and an exec, which nobody should wait for. */
#define SPARES 2
/* Connections beyond the configured children, which are told that the node is full. */
#define SURPLUS 64

int rf_sessions_allocate(struct rf_sessions *sessions, struct rf_report *report)
{
	sessions->capacity = sessions->config->max_children + SURPLUS + SPARES;
	sessions->entries = calloc(sessions->capacity, sizeof(*sessions->entries));
	if (!sessions->entries)
		return rf_report(report, ENOMEM, "the table of sessions: %m");
	sessions->counts[RF_SESSION_FREE] = sessions->capacity;
	return 0;
}

static void set_state(struct rf_sessions *sessions, struct rf_session_entry *entry,
		      enum rf_session_state state)
{
	sessions->counts[entry->state]--;
	sessions->counts[state]++;
	entry->state = state;
}

static struct rf_session_entry *find_state(const struct rf_sessions *sessions,
					   enum rf_session_state state)
{
	if (sessions->counts[state])
		for (size_t i = 0; i < sessions->capacity; i++)
			if (sessions->entries[i].state == state)
				return &sessions->entries[i];
	return NULL;
}

static void close_channel(const struct rf_sessions *sessions, struct rf_session_entry *entry)
{
	/* Without this a fork that is on its way to close its copy would keep the registration. */
	if (entry->channel >= 0)
		(void)epoll_ctl(sessions->poll, EPOLL_CTL_DEL, entry->channel, NULL);
	rf_descriptor_close(&entry->channel);
}

static int fork_session(struct rf_sessions *sessions, struct rf_session_entry *entry)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	entry->pid = fork();
	if (entry->pid == 0) {
		sessions->setup.channel = pair[1];
		rf_session_run(&sessions->setup);
	}
	if (entry->pid < 0) {
		int error = errno;

		close(pair[0]);
		close(pair[1]);
		return -error;
	}
	close(pair[1]);
	entry->channel = pair[0];
	entry->connection_id = 0;
	return 0;
}

static int start_session(struct rf_sessions *sessions, struct rf_session_entry **started)
{
	struct rf_session_entry *entry = find_state(sessions, RF_SESSION_FREE);
	struct epoll_event event = { .events = EPOLLIN };
	int error;

	if (!entry)
		return -EAGAIN;
	error = fork_session(sessions, entry);
	if (error < 0)
		return error;
	set_state(sessions, entry, RF_SESSION_SPARE);
	event.data.u64 = (uint64_t)(entry - sessions->entries);
	if (epoll_ctl(sessions->poll, EPOLL_CTL_ADD, entry->channel, &event) < 0) {
		error = -errno;
		rf_descriptor_close(&entry->channel); /* which ends the spare */
		set_state(sessions, entry, RF_SESSION_OVER);
		return error;
	}
	*started = entry;
	return 0;
}

void rf_sessions_refill(struct rf_sessions *sessions)
{
	struct rf_session_entry *entry;

	while (!sessions->spare_died && sessions->counts[RF_SESSION_SPARE] < SPARES &&
	       rf_sessions_have_room(sessions)) {
		int error;

		/* A hand-over needs the processors more than the next spare does. */
		if (sessions->counts[RF_SESSION_SPARE] && sessions->counts[RF_SESSION_STARTING])
			return;
		error = start_session(sessions, &entry);
		if (error < 0) {
			rf_log("a spare session cannot be started: %s", strerrordesc_np(-error));
			sessions->spare_died = true;
		}
	}
}

bool rf_sessions_have_room(const struct rf_sessions *sessions)
{
	return sessions->counts[RF_SESSION_FREE] || sessions->counts[RF_SESSION_SPARE];
}

static int try_hand_over(struct rf_sessions *sessions, struct rf_session_entry *entry,
			 int connection, uint32_t connection_id, const struct rf_key *key)
{
	size_t children =
		sessions->counts[RF_SESSION_STARTING] + sessions->counts[RF_SESSION_RUNNING];
	struct rf_handover message = {
		.connection_id = connection_id,
		.full = children >= sessions->config->max_children ? (uint32_t)children : 0,
		.dead_after_s = sessions->config->dead_after_s,
	};
	int error = rf_handover_send(entry->channel, &message, key, connection);

	if (error < 0) {
		close_channel(sessions, entry);
		set_state(sessions, entry, RF_SESSION_OVER);
		return error;
	}
	entry->connection_id = connection_id;
	set_state(sessions, entry, RF_SESSION_STARTING);
	return 0;
}

int rf_sessions_hand_over(struct rf_sessions *sessions, int connection, uint32_t connection_id,
			  const struct rf_key *key)
{
	struct rf_session_entry *entry;
	int error;

	sessions->spare_died = false;
	/* A spare may have died a moment ago. */
	while ((entry = find_state(sessions, RF_SESSION_SPARE)) != NULL)
		if (try_hand_over(sessions, entry, connection, connection_id, key) == 0)
			return 0;
	error = start_session(sessions, &entry);
	if (error < 0)
		return error;
	return try_hand_over(sessions, entry, connection, connection_id, key);
}

void rf_sessions_listen(struct rf_sessions *sessions, size_t index)
{
	struct rf_session_entry *entry = &sessions->entries[index];
	char news;
	ssize_t got;

	if (entry->state == RF_SESSION_FREE || entry->channel < 0)
		return;
	while ((got = recv(entry->channel, &news, 1, MSG_DONTWAIT)) == 1) {
		if (news == RF_NEWS_RUNNING && entry->state == RF_SESSION_STARTING)
			set_state(sessions, entry, RF_SESSION_RUNNING);
		else if (news == RF_NEWS_OVER)
			set_state(sessions, entry, RF_SESSION_OVER);
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR))
		close_channel(sessions, entry); /* it ends: SIGCHLD tells how */
}

static struct rf_session_entry *find_pid(const struct rf_sessions *sessions, pid_t pid)
{
	for (size_t i = 0; i < sessions->capacity; i++)
		if (sessions->entries[i].state != RF_SESSION_FREE &&
		    sessions->entries[i].pid == pid)
			return &sessions->entries[i];
	return NULL;
}

bool rf_sessions_contain(const struct rf_sessions *sessions, pid_t pid)
{
	return find_pid(sessions, pid) != NULL;
}

bool rf_sessions_reaped(struct rf_sessions *sessions, pid_t pid, int status, bool *was_session)
{
	struct rf_session_entry *entry = find_pid(sessions, pid);

	*was_session = entry != NULL;
	if (!entry)
		return true;
	if (entry->state == RF_SESSION_SPARE && status != 0)
		sessions->spare_died = true;
	close_channel(sessions, entry);
	set_state(sessions, entry, RF_SESSION_FREE);
	if (WIFSIGNALED(status))
		rf_log("[c%u] session %d died by signal %d: ending what it left",
		       entry->connection_id, (int)pid, WTERMSIG(status));
	return status == 0;
}

void rf_sessions_dismiss_spares(struct rf_sessions *sessions)
{
	struct rf_session_entry *entry;

	while ((entry = find_state(sessions, RF_SESSION_SPARE)) != NULL) {
		close_channel(sessions, entry);
		set_state(sessions, entry, RF_SESSION_OVER);
	}
}

void rf_sessions_kill(const struct rf_sessions *sessions)
{
	for (size_t i = 0; i < sessions->capacity; i++)
		if (sessions->entries[i].state != RF_SESSION_FREE)
			(void)kill(sessions->entries[i].pid, SIGKILL);
}

size_t rf_sessions_alive(const struct rf_sessions *sessions)
{
	return sessions->capacity - sessions->counts[RF_SESSION_FREE];
}
