/* SPDX-License-Identifier: MIT */
/*
 * The correspondents of a datagram socket without a peer: who has sent something to it, and may
 * be answered.  The node knows them by number only.  For ghost_message.c.
 */
#ifndef RF_GHOST_PEERS_H
#define RF_GHOST_PEERS_H

#include <stdint.h>
#include <sys/socket.h>

#define RF_GHOST_PEERS_MAX 128u

struct rf_ghost_peer {
	uint32_t number; /* 0 = a free place */
	uint32_t used;	 /* when, by the table's clock */
	socklen_t address_bytes;
	struct sockaddr_storage address;
};

/* All zero at first. */
struct rf_ghost_peers {
	uint32_t last_number, clock;
	struct rf_ghost_peer places[RF_GHOST_PEERS_MAX];
};

/* The number of an address, which never was another's; whoever was not heard of for longest is
 * forgotten for a new one.  0 for no address. */
uint32_t rf_ghost_peers_number(struct rf_ghost_peers *peers, const struct sockaddr_storage *address,
			       socklen_t address_bytes);

/* Who has this number; NULL if nobody, or nobody any more. */
const struct rf_ghost_peer *rf_ghost_peers_find(struct rf_ghost_peers *peers, uint32_t number);

#endif
