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

/*
 * Connects to the host and asks it to take an image of a machine of these facts; NULL: this
 * machine's.
 * Returns an order that is begun, in the flight's arena, or NULL with a report.  The node's answer
 * is still to come.
 */
struct rf_ghost_order *rf_approach(struct rf_flight *flight, const char *host,
				   const struct rf_options *options,
				   const struct rf_machine_facts *facts, struct rf_report *report);

/* Waits for the answer and fills the node's facts; 0, or a negative errno with a report where the
 * image cannot run there. */
int rf_approach_agree(struct rf_flight *flight, const struct rf_options *options, const char *host,
		      const struct rf_machine_facts *facts, struct rf_machine_facts *node,
		      struct rf_report *report);

#endif
