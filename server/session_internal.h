/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a session up to the moment when the child runs have in common: session.c calls
 * session_greeting.c for the caller's side, and session_shell.c for the shell's.
 */
#ifndef RF_SESSION_INTERNAL_H
#define RF_SESSION_INTERNAL_H

#include <stdbool.h>

#include "rfork/auth.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/rights.h"
#include "rfork/warnings.h"
#include "server/handover.h"
#include "server/pty.h"
#include "server/session.h"
#include "server/session_streams.h"
#include "server/spawn.h"

/* Beyond what rfork-shell gets as 3 to 7, so that starting it disturbs neither. */
#define RF_SESSION_CHANNEL_FD 16
#define RF_SESSION_PROGRAM_FD 17
#define RF_SESSION_RDMA_PROGRAM_FD 18
#define RF_SESSION_FIRST_OTHER_FD 19

/* signalfd, epoll, sock_diag, and one to look into /proc. */
#define RF_SESSION_RESERVED_FDS 4

#define RF_REFUSAL_TIMEOUT_MS 2000

struct rf_session {
	const struct rf_session_setup *setup;
	int connection;
	int signals; /* signalfd */
	struct rf_shell shell;
	struct rf_key key;
	struct rf_handover handover;
	struct rf_streams *streams;
	bool is_waiting;   /* the child is restored, and waits for the ghost's word */
	bool is_expecting; /* the same, and the relay begins meanwhile */
	struct rf_pty *pty;
	bool has_terminal; /* the caller */
	struct rf_frame_terminal terminal;
	bool has_road;		     /* pages may come by RDMA */
	bool is_check;		     /* the caller only asks; nothing is executed */
	uint32_t codec_flags;	     /* of facts: pages may come packed so */
	struct rf_warnings warnings; /* of what the child was not given */
	int reserved[RF_SESSION_RESERVED_FDS];
	struct rf_rights rights; /* of this process, which a child has, too */
};

/* -- session_greeting.c: the connection and who is behind it ---------------------------------- */

/* Has a machine that vanished without a word noticed after so many seconds. */
void rf_session_prepare_connection(int fd, unsigned dead_after_s);

/* REQUEST, TERMINAL and WELCOME: what both machines are and can do.  0, or a negative errno with a
 * report if the image could not run here. */
int rf_session_exchange_facts(struct rf_session *session, int64_t deadline_ns,
			      struct rf_report *report);

/* Reads away what the peer still sends, so that closing does not reset the connection and take
 * the refusal with it; for a short time only. */
void rf_session_linger(int fd);

/* -- session_shell.c: the shell -------------------------------------------------------------- */

/* The shell that waits is the one for pages that come by the connection: has it execute the
 * other. */
int rf_session_change_shell(struct rf_session *session, struct rf_report *report);

/* Lends the shell the connection, from which it reads an image. */
int rf_session_order_shell(struct rf_session *session, struct rf_report *report);

/* Waits while the shell does: 0 once the child runs, or waits to (is_waiting, is_expecting), with
 * its streams and warnings taken in; or a negative errno with a report. */
int rf_session_await_shell(struct rf_session *session, struct rf_report *report);

/* Ends the shell, if it still runs, and all that it has started. */
void rf_session_end_shell(struct rf_session *session);

/* Takes a pending signal; its number, or 0. */
int rf_session_take_signal(int signals);

#endif
