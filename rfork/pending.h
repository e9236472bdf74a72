/* SPDX-License-Identifier: MIT */
/*
 * The pending signals of a process that moves: taken out of the queue before the capture, and put
 * back if the process has to stay.
 */
#ifndef RF_PENDING_H
#define RF_PENDING_H

#include <stddef.h>

#include "rfork/arena.h"
#include "rfork/image_format.h"
#include "rfork/image_writer.h"
#include "rfork/report.h"

struct rf_pending {
	struct rf_image_pending *entries; /* in the order of each number's queue */
	size_t count, capacity;
};

/* Prepares to take them into what the arena has left. */
void rf_pending_prepare(struct rf_pending *pending, const struct rf_arena *arena);

/* Takes all that is pending, behind what was taken before.  All signals are blocked.  0 or a
 * negative errno with a report: -ENOTSUP when they are too many for an image. */
int rf_pending_take(struct rf_pending *pending, struct rf_report *report);

/* Takes the arena's memory in which they are, once there will be no more.  0 or -ENOMEM with a
 * report. */
int rf_pending_keep(struct rf_pending *pending, struct rf_arena *arena, struct rf_report *report);

/* Queues them again, before those that have come since, but for what is sent at this very moment.
 * Uses what the arena has behind them. */
void rf_pending_put_back(struct rf_pending *pending);

/* Writes PENDING, if there are any.  No malloc, no errno. */
int rf_pending_write(const struct rf_pending *pending, struct rf_image_writer *writer);

#endif
