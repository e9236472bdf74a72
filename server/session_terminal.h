/* SPDX-License-Identifier: MIT */
/*
 * The child's terminal as a session's business (doc/protocol.txt, 7): its frames in both
 * directions, and the stops by which the child asks for it.  For session_relay.c.
 */
#ifndef RF_SESSION_TERMINAL_H
#define RF_SESSION_TERMINAL_H

#include "server/pty.h"
#include "server/session_link.h"
#include "server/session_signals.h"
#include "server/session_streams.h"

struct rf_session_terminal {
	struct rf_pty *pty; /* not open: the child has none */
	struct rf_link *link;
	struct rf_job *job;
	struct rf_streams *streams;
	/* a stop of the child that may only mean that it wants the terminal */
	enum {
		RF_TERMINAL_QUIET,
		RF_TERMINAL_ASKING, /* ASK is to be sent */
		RF_TERMINAL_ASKED,  /* and the answer is awaited */
	} ask;
	bool is_stop_sent; /* SIGTTIN or SIGTTOU, from home: no question */
};

/* -- to the ghost: each puts at most one frame -- */

void rf_session_terminal_put_mode(struct rf_session_terminal *terminal);
void rf_session_terminal_put_ask(struct rf_session_terminal *terminal);
void rf_session_terminal_put_take(struct rf_session_terminal *terminal);

/* Whether there is anything to tell, MODE or what has been read. */
bool rf_session_terminal_has_news(const struct rf_session_terminal *terminal);

/* -- from the ghost: 0, or -EBADMSG -- */

/* Any frame on RF_CHANNEL_TERMINAL. */
int rf_session_terminal_take(struct rf_session_terminal *terminal,
			     const struct rf_frame_header *header, const char *payload);

/* Signals of the terminal at home come from the terminal here. */
int rf_session_terminal_take_signal(struct rf_session_terminal *terminal,
				    const struct rf_frame_signal *signal);

/* -- the child -- */

/* It has stopped. */
void rf_session_terminal_stopped(struct rf_session_terminal *terminal);

/* The ghost is about to leave it alone. */
void rf_session_terminal_detach(struct rf_session_terminal *terminal);

/* When there is something to do without an event; and to do it. */
int64_t rf_session_terminal_deadline_ns(const struct rf_session_terminal *terminal);
void rf_session_terminal_pass(struct rf_session_terminal *terminal, int64_t now_ns);

#endif
