/* SPDX-License-Identifier: MIT */
/*
 * Inside the ghost, until the child runs: what its parts share.  ghost.c has its life,
 * ghost_originals.c its descriptors, ghost_handover.c what it says to the node and hears,
 * ghost_road.c the other road of its pages.  All run frozen: no malloc, no stdio, no errno, no
 * write outside the arena.
 */
#ifndef RF_GHOST_PARTS_H
#define RF_GHOST_PARTS_H

#include "rfork/ghost.h"
#include "rfork/ghost_relay.h"
#include "rfork/ghost_road.h"
#include "rfork/packer.h"

struct rf_ghost {
	struct rf_ghost_order *order;
	bool is_moved;	 /* this process is not a fork child, but what moves itself */
	bool is_looking; /* nothing goes, but all that cannot is gathered */
	struct rf_arch_context context;
	struct rf_relay relay;
	struct rf_report report;
	struct rf_ghost_status status;
	struct rf_frame_running running;
	struct rf_warnings *warnings; /* what the child was not given */
	size_t scratch; /* from here on the arena is needed only until the child runs */
	struct rf_snapshot *snapshot;
	struct rf_image_writer *writer;
	struct rf_ghost_cargo cargo; /* what is sent: the snapshot, or an image at rest */
	unsigned char *frame;	     /* RF_FRAME_MAX_BYTES */
	uint32_t *need;		     /* mappings that the node lacks, as it has named them */
	size_t need_count, need_sent;
	bool is_need_complete;
	struct rf_ghost_road road;
	struct rf_packer packer;
	uint64_t digest;
};

/* ghost_originals.c */

/* Fills the relay's channels with their originals. */
void rf_ghost_plan_relay(struct rf_ghost *ghost);

/* Closes everything but the ghost's own: an original that the child does not use must end when
 * the caller's side ends it. */
void rf_ghost_close_others(struct rf_ghost *ghost);

/* Closes files: the node has opened them. */
void rf_ghost_close_files(const struct rf_fdtable *fds);

/* Closes what a process that has moved had open and the relay does not need. */
void rf_ghost_close_originals(struct rf_ghost *ghost);

/* ghost_handover.c; each returns 0, or a negative errno with ghost->report. */

/* Sends the cargo, and whatever of it the node lacks, to END. */
int rf_ghost_send_image(struct rf_ghost *ghost);

/* Sends what of the cargo a node must know to judge it, and adds what it has against it to the
 * order's refusals. */
int rf_ghost_ask(struct rf_ghost *ghost);

/* Waits for something of what comes before RUNNING, from the node or the helper, and acts upon
 * it. */
int rf_ghost_hear(struct rf_ghost *ghost);

/* Waits for RUNNING. */
int rf_ghost_await_child(struct rf_ghost *ghost);

/* Tells a process that has moved to go on: from here on it exists on the node, and never again
 * here. */
int rf_ghost_let_go(struct rf_ghost *ghost);

/* Lets the child outlive us. */
int rf_ghost_detach(struct rf_ghost *ghost);

/* ghost.c: memory that is needed until the child runs; NULL when there is none. */
void *rf_ghost_take(struct rf_ghost *ghost, size_t bytes);

/* ghost.c: -EIO with ghost->report if the image has changed while it was sent. */
int rf_ghost_check_frozen(struct rf_ghost *ghost);

#endif
