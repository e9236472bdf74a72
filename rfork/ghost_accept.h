/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets at home, and the connections that the child accepts from them
 * (doc/protocol.txt, 5).  A connection is only offered while it waits at the original, where
 * others may take it; the ghost takes it when the child has accepted what stands for it on the
 * node.
 */
#ifndef RF_GHOST_ACCEPT_H
#define RF_GHOST_ACCEPT_H

#include "rfork/ghost_relay.h"

/* Whether what is of this kind, RF_STREAM_*, is a listening socket. */
bool rf_accept_is_listener(uint32_t stream);

/* Where there is a listening socket, connections may need more descriptors than programs
 * usually may have. */
void rf_accept_prepare(const struct rf_relay *relay);

/* Takes a connection from a listening socket without waiting for one, whatever the socket's
 * own flags, which are the caller's too: a descriptor, -EAGAIN if there is none, or another
 * negative errno. */
int rf_accept_now(int listener);

/* Offers the node a connection that waits at a listening original, unless one is offered
 * already. */
void rf_accept_offer(struct rf_relay *relay, uint32_t listener);

/* The child has accepted what was offered: takes a connection, to be relayed as `channel`.  If
 * none is left the node is told that the channel is closed.  -EBADMSG if nothing was offered,
 * or the number is taken. */
int rf_accept_take(struct rf_relay *relay, uint32_t listener, uint32_t channel);

/* Whether a channel is that of an accepted connection, and the node has been told of its end. */
bool rf_accept_is_over(const struct rf_relay *relay, uint32_t channel);

/* Tells the node which accepted connections are over, so that their numbers are free again. */
void rf_accept_tell_closed(struct rf_relay *relay);

#endif
