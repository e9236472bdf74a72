/* SPDX-License-Identifier: MIT */
/*
 * A table of addresses and their numbers.  Called by ghost_message.c.  A number is used once, so
 * that an answer never reaches another than whom it was meant for.
 */
#define _GNU_SOURCE
#include "rfork/ghost_peers.h"

#include <stddef.h>
#include <string.h>

const struct rf_ghost_peer *rf_ghost_peers_find(struct rf_ghost_peers *peers, uint32_t number)
{
	for (unsigned i = 0; number && i < RF_GHOST_PEERS_MAX; i++) {
		if (peers->places[i].number != number)
			continue;
		peers->places[i].used = ++peers->clock;
		return &peers->places[i];
	}
	return NULL;
}

static struct rf_ghost_peer *find_place(struct rf_ghost_peers *peers,
					const struct sockaddr_storage *address,
					socklen_t address_bytes)
{
	struct rf_ghost_peer *oldest = &peers->places[0];

	for (unsigned i = 0; i < RF_GHOST_PEERS_MAX; i++) {
		struct rf_ghost_peer *place = &peers->places[i];

		if (place->number && place->address_bytes == address_bytes &&
		    memcmp(&place->address, address, address_bytes) == 0)
			return place;
		if (!place->number || (oldest->number && place->used < oldest->used))
			oldest = oldest->number ? place : oldest;
	}
	oldest->number = 0;
	return oldest;
}

uint32_t rf_ghost_peers_number(struct rf_ghost_peers *peers, const struct sockaddr_storage *address,
			       socklen_t address_bytes)
{
	struct rf_ghost_peer *place;

	/* a unix socket without a name has a family only */
	if (address_bytes <= sizeof(sa_family_t) || address_bytes > sizeof(*address))
		return 0;
	place = find_place(peers, address, address_bytes);
	place->used = ++peers->clock;
	if (place->number)
		return place->number;
	if (peers->last_number == UINT32_MAX)
		return 0;
	memcpy(&place->address, address, address_bytes);
	place->address_bytes = address_bytes;
	place->number = ++peers->last_number;
	return place->number;
}
