/* SPDX-License-Identifier: MIT */
/*
 * What an image's process had under way, begun again.
 */
#ifndef RF_RESTORE_TIMERS_H
#define RF_RESTORE_TIMERS_H

#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/report.h"

/* Queues the image's pending signals and starts its timers; all signals are blocked.
 * since_ns: when, on CLOCK_MONOTONIC, what the image says of timers was true.  0 or a negative
 * errno with a report. */
int rf_restore_under_way(const struct rf_image *image, int64_t since_ns, struct rf_report *report);

#endif
