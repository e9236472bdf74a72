/* SPDX-License-Identifier: MIT */
/*
 * From the host's name to an order that is complete: the process is looked at, what cannot travel
 * is gathered, and the node is heard.  What a fork, a move and a check have in common, so that the
 * last cannot disagree with the others.
 */
#ifndef RF_SETTLE_H
#define RF_SETTLE_H

#include "rfork/ghost.h"
#include "rfork/options.h"
#include "rfork/report.h"
#include "rfork/state.h"

/*
 * Approaches the host, as rf_approach() does; but a process that must not go anywhere, for a
 * sandbox confines it, or it is to move and others belong to it, connects to nobody:
 * order->connection is -1 then.  So it is for a host of NULL where options->is_check.  NULL with a
 * report.
 */
struct rf_ghost_order *rf_settle_begin(struct rf_flight *flight, const char *host,
				       const struct rf_options *options, struct rf_report *report);

/*
 * Looks at the process and hears what the node is: the order is complete, and the forecast is
 * sent.  But with anything in order->refusals, which only a check goes on with, it is not.  0 or a
 * negative errno with a report.
 */
int rf_settle(struct rf_flight *flight, const struct rf_options *options,
	      struct rf_ghost_order *order, struct rf_report *report);

#endif
