/* SPDX-License-Identifier: MIT */
/*
 * The arguments of rfork_with(), checked and completed.
 */
#ifndef RF_OPTIONS_H
#define RF_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <rfork.h>

#include "rfork/report.h"

struct rf_options {
	uint32_t flags;
	unsigned compression; /* RFORK_COMPRESS_* */
	int timeout_ms;	      /* -1 = none */
	int64_t deadline_ns;  /* of the whole hand-over; see rf_options_start_clock() */
	const char *key_file; /* NULL = default */
	bool is_move;	      /* the process itself is to go */
	bool is_check;	      /* nothing is: rfork_check() */
};

/* Checks `options` (NULL = all default); 0 or a negative errno with a report. */
int rf_options_check(struct rf_options *result, const struct rfork_options *options,
		     struct rf_report *report);

/* Makes them those of a move, for which not all have a meaning; 0 or -EINVAL with a report. */
int rf_options_move(struct rf_options *options, struct rf_report *report);

/* The hand-over begins now. */
void rf_options_start_clock(struct rf_options *options);

#endif
