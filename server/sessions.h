/* SPDX-License-Identifier: MIT */
/*
 * The listener's table of sessions: spares that wait for a connection, and busy ones.
 */
#ifndef RF_SESSIONS_H
#define RF_SESSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/key.h"
#include "server/config.h"
#include "server/session.h"

enum rf_session_state {
	RF_SESSION_FREE = 0,
	RF_SESSION_SPARE,
	RF_SESSION_STARTING, /* has a connection, but no child yet */
	RF_SESSION_RUNNING,
	RF_SESSION_OVER, /* its child has ended, or never was */
};

struct rf_session_entry {
	enum rf_session_state state;
	pid_t pid;
	int channel;		/* -1 once closed */
	uint32_t connection_id; /* 0 = none yet */
};

struct rf_sessions {
	struct rf_session_entry *entries;
	size_t capacity;
	size_t counts[RF_SESSION_OVER + 1]; /* by state */
	bool spare_died; /* before its use: no new one until a connection asks for it */
	int poll;	 /* epoll that the channels are added to, by index */
	const struct rf_config *config;
	struct rf_session_setup setup;
};

/* Makes room for the configured number of children; 0 or -ENOMEM with a report. */
int rf_sessions_allocate(struct rf_sessions *sessions, struct rf_report *report);

/* Starts spares where they are missing and nothing more urgent goes on. */
void rf_sessions_refill(struct rf_sessions *sessions);

/* Whether the table takes another connection. */
bool rf_sessions_have_room(const struct rf_sessions *sessions);

/* Hands a connection, which stays the caller's to close, to a session; 0 or a negative errno. */
int rf_sessions_hand_over(struct rf_sessions *sessions, int connection, uint32_t connection_id,
			  const struct rf_key *key);

/* Reads the news of a session. */
void rf_sessions_listen(struct rf_sessions *sessions, size_t index);

/* Takes note of a process that ended: true if it was a session and ended as it should, or was
 * no session; *was_session tells which. */
bool rf_sessions_reaped(struct rf_sessions *sessions, pid_t pid, int status, bool *was_session);

bool rf_sessions_contain(const struct rf_sessions *sessions, pid_t pid);

/* Lets the spares go; how many sessions are left is in counts. */
void rf_sessions_dismiss_spares(struct rf_sessions *sessions);

/* Kills every session; orphans of theirs come to the listener. */
void rf_sessions_kill(const struct rf_sessions *sessions);

/* Sessions that still exist. */
size_t rf_sessions_alive(const struct rf_sessions *sessions);

#endif
