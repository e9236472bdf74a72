/* SPDX-License-Identifier: MIT */
/*
 * The correspondents of a datagram socket of the child that has no peer.  For each there is a
 * socket of ours that is connected to the child's: under its name the child hears of him, and to
 * it sends what is for him.  Nobody else can send to it, because it is connected.  For
 * session_message.c.
 */
#ifndef RF_SESSION_PEERS_H
#define RF_SESSION_PEERS_H

#include <stddef.h>
#include <stdint.h>

#define RF_SESSION_PEERS_MAX 64u

struct rf_session_peer {
	int fd; /* -1 = a free place */
	uint32_t number;
	uint32_t used; /* when, by the table's clock */
};

struct rf_session_peers {
	int name;	  /* of the child's socket, O_PATH; not ours */
	int epoll;	  /* where the sockets are watched, once they are, */
	unsigned channel; /* under this number */
	uint32_t clock;
	unsigned turn;
	struct rf_session_peer places[RF_SESSION_PEERS_MAX];
};

struct rf_session_peers *rf_session_peers_new(int name);
void rf_session_peers_free(struct rf_session_peers *peers);

/* The socket of a correspondent; who was not heard of for longest loses his to a new one, but
 * never one with something in it for the ghost, or in the child's queue.  A negative errno if
 * that cannot be. */
int rf_session_peers_find(struct rf_session_peers *peers, uint32_t number);

/* The next socket in turn into which the child has sent something, and whose it is; -EAGAIN if
 * there is none. */
int rf_session_peers_next(struct rf_session_peers *peers, uint32_t *number);

#endif
