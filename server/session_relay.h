/* SPDX-License-Identifier: MIT */
/*
 * What a session does while its child runs (doc/protocol.txt, 5 and 6): streams and signals
 * in both directions, stops, and the end of the child to the ghost.
 */
#ifndef RF_SESSION_RELAY_H
#define RF_SESSION_RELAY_H

#include <sys/types.h>

#include "server/session_streams.h"

struct rf_session_relay {
	int connection; /* taken over */
	int listener;	/* the channel to it */
	pid_t listener_pid;
	int signals; /* signalfd of SIGCHLD and SIGTERM; all signals are blocked */
	unsigned dead_after_s;
	pid_t child;
	int child_socket; /* the child waits for a byte on it, until the ghost's GO; -1 = it does not */
	struct rf_streams *streams; /* closed at the end */
	struct rf_pty *pty;	    /* the child's terminal; likewise */
};

/*
 * Relays until the child and all its descendants have ended, on their own or because the
 * connection, the listener or this session was told to.
 */
void rf_session_relay(const struct rf_session_relay *setup);

#endif
