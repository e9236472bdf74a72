/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets of the child: a connection that waits at home is offered by the ghost, and
 * stands in the child's queue as one that we have made.  When the child has accepted it, the
 * ghost takes the original.  Called by session_streams.c; at most one connection of a socket is
 * on its way.
 */
#ifndef RF_SESSION_LISTENER_H
#define RF_SESSION_LISTENER_H

#include "server/session_streams.h"

/* Frames of the ghost: 0, or -EBADMSG if they break the rules. */
int rf_listener_offer(struct rf_streams *streams, unsigned channel, const char *payload);
int rf_listener_take_closed(struct rf_streams *streams, unsigned channel);

/* Finds out whether the child has accepted what waits for it, and whether it still listens. */
void rf_listener_sample(struct rf_streams *streams, unsigned channel);
void rf_listener_check(struct rf_streams *streams, unsigned channel);

/* After an event at a channel: false if that is a connection which the child has not accepted. */
bool rf_listener_let_through(struct rf_streams *streams, unsigned channel);

/* Nobody accepts any more, if the channel is a listening socket. */
void rf_listener_stop(struct rf_streams *streams, unsigned channel);

#endif
