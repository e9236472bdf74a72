/* SPDX-License-Identifier: MIT */
/*
 * Between the listener and a session: one SOCK_SEQPACKET socket pair.  The listener
 * sends one hand-over with the connection attached; the session answers with news of one
 * byte each.  End of file tells either that the other one is gone.
 */
#ifndef RF_HANDOVER_H
#define RF_HANDOVER_H

#include <stdint.h>

#include "rfork/key.h"

struct rf_handover {
	uint32_t connection_id;
	uint32_t full; /* how many children the node runs, if it is full; else 0 */
	uint32_t dead_after_s;
	uint32_t reserved;
};

enum rf_session_news {
	RF_NEWS_RUNNING = 'r', /* the child runs: the listener may spend time on a new spare */
	RF_NEWS_OVER = 'o',    /* there is no child any more: it does not count as one */
};

/* Sends message, key and connection; 0 or a negative errno.  Keeps the connection open. */
int rf_handover_send(int channel, const struct rf_handover *message, const struct rf_key *key,
		     int connection);

/*
 * Receives them, the key into the allocated private page.  Returns the connection, or a
 * negative errno; -ECONNRESET if the listener has no use for the session any more.
 */
int rf_handover_receive(int channel, struct rf_handover *message, struct rf_key *key);

/* Tells the listener; it may be gone, which the session learns elsewhere. */
void rf_handover_tell(int channel, enum rf_session_news news);

#endif
