/* SPDX-License-Identifier: MIT */
/*
 * The way to a node: connects, proves who we are, and compares the machines.
 */
#ifndef RF_APPROACH_H
#define RF_APPROACH_H

#include "rfork/ghost.h"
#include "rfork/options.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/state.h"

/* An image that is there already. */
struct rf_approach_image {
	const struct rf_machine_facts *facts; /* of the machine that it is of */
	uint64_t data_bytes;		      /* of its pages */
};

/*
 * Connects to the host and asks it to take such an image; NULL: one of the calling process.
 * Returns an order that is begun, in the flight's arena, or NULL with a report.  The node's answer
 * is still to come.
 */
struct rf_ghost_order *rf_approach(struct rf_flight *flight, const char *host,
				   const struct rf_options *options,
				   const struct rf_approach_image *image, struct rf_report *report);

/* Begins an order as rf_approach() does, for a look at the process alone: there is no
 * connection. */
struct rf_ghost_order *rf_approach_nobody(struct rf_flight *flight,
					  const struct rf_options *options,
					  struct rf_report *report);

/* Waits for the answer, fills the node's facts, and settles order->road; 0, or a negative errno
 * with a report where the image cannot run there, or by no road that the caller would take. */
int rf_approach_agree(struct rf_flight *flight, const struct rf_options *options,
		      struct rf_ghost_order *order, const struct rf_machine_facts *facts,
		      struct rf_machine_facts *node, struct rf_report *report);

#endif
