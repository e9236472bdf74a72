/* SPDX-License-Identifier: MIT */
/*
 * The other road of a ghost's pages (doc/protocol.txt, 8): a ring of memory that its helper has
 * registered for RDMA, into which pages are copied, and from which the node reads them.  Runs
 * frozen.
 */
#ifndef RF_GHOST_ROAD_H
#define RF_GHOST_ROAD_H

#include "rfork/ghost_helper.h"
#include "rfork/image_writer.h"
#include "rfork/pages_protocol.h"
#include "rfork/protocol.h"

struct rf_ghost;

enum rf_road_state {
	RF_ROAD_ABSENT,
	RF_ROAD_PREPARED, /* the helper has been started */
	RF_ROAD_OFFERED,  /* the node has been told where to read */
	RF_ROAD_OPEN,
	RF_ROAD_FAILING, /* the helper has lost it, and the node has not noticed yet */
	RF_ROAD_LOST,	 /* all goes by the connection from now on */
	RF_ROAD_SETTLED, /* nothing is under way, nor will be */
};

/* A record whose data are in the ring: to be sent again, if the node cannot read them. */
struct rf_road_slot {
	uint32_t run_count;
	size_t data_bytes;
	struct rf_image_run runs[RF_PAGES_MAX_RUNS];
};

struct rf_ghost_road {
	enum rf_road_state state;
	struct rf_ghost_helper helper;
	unsigned char *ring; /* the slots' data; outside the image */
	struct rf_road_slot *slots;
	uint32_t slot_count;
	uint32_t first, under_way; /* slots that the node has not taken, in their order */
	uint8_t token[RF_ROAD_TOKEN_BYTES];
	uint32_t remote_key;
	uint64_t remote_address; /* of the ring */
	struct rf_image_carrier carrier;
};

/*
 * Unless said otherwise these return 0, or a negative errno; a report says why unless the
 * connection is to blame.  A road that cannot be had, or is lost, is a failure only where
 * order->road is RF_ROAD_DEMANDED.
 */

/* Starts the helper, if the order wants a road. */
int rf_ghost_road_begin(struct rf_ghost *ghost);

/* Behind LAYOUT: offers the road, and waits for the node's answer.  From then on the writer sends
 * pages by it. */
int rf_ghost_road_offer(struct rf_ghost *ghost);

/* Waits until the node has sent something: 1; or until the helper has ended, after which there may
 * be nothing to wait for: 0. */
int rf_ghost_road_wait(struct rf_ghost *ghost);

/* Takes a frame ROAD or TAKEN.  After a loss the pages that were under way are sent again. */
int rf_ghost_road_hear(struct rf_ghost *ghost, const struct rf_frame_header *header);

/* Before END: waits until nothing is under way. */
int rf_ghost_road_settle(struct rf_ghost *ghost);

/* Ends the helper and unmaps the ring. */
void rf_ghost_road_end(struct rf_ghost *ghost);

#endif
