/* SPDX-License-Identifier: MIT */
/*
 * Between session_relay.c and session_relay_output.c.
 */
#ifndef RF_SESSION_RELAY_INTERNAL_H
#define RF_SESSION_RELAY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "server/session_link.h"
#include "server/session_relay.h"
#include "server/session_signals.h"
#include "server/session_terminal.h"

/* How long a stream keeps a large window that it does not need: once to twice this time. */
#define RF_RELAY_SHRINK_MS 1000

enum rf_relay_phase {
	RF_RELAY_OPEN,	  /* until EXITED is in the batch */
	RF_RELAY_CLOSING, /* EXITED is on its way, then the ghost's close */
	RF_RELAY_CLOSED,  /* only descendants are left, or a detached child */
	RF_RELAY_LOST,	  /* the link, the listener or the session itself is to end: kill all */
};

struct rf_child_relay {
	enum rf_relay_phase phase;
	int epoll;
	int listener;
	int child_socket; /* -1: the child runs */
	uint32_t watched; /* events of the connection */
	struct rf_link link;
	struct rf_job job;
	struct rf_streams *streams;
	struct rf_session_terminal terminal;
	bool is_sample_due; /* CONSUMED is to be sent, if there is any */
	bool is_ping_due;
	bool is_stop_due;   /* nobody reads what the child wrote before it stopped */
	bool is_detaching;  /* DETACHED is to be sent, and then nothing more */
	bool is_detached;   /* it was */
	bool is_end_due;    /* the child has ended, and nobody reads what it has left at home */
	bool is_left;	    /* EXITED is told, and descendants still hold channels */
	bool is_over_told;  /* the listener knows that nobody is left */
	int64_t silence_ns; /* deadlines: nothing has come for a second */
	int64_t sample_ns;
	int64_t sample_interval_ns;
	int64_t shrink_ns; /* some stream has a large window */
	int64_t close_ns;
};

/* The link, the listener or the session itself is to end, and with it the child: logged once. */
void rf_relay_lose(struct rf_child_relay *r, const char *why);

/* Sends what there is to say to the ghost, in its order, as far as the connection takes it. */
void rf_relay_send(struct rf_child_relay *r);

#endif
