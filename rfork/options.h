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
	int64_t deadline_ns;  /* of the whole hand-over */
	const char *key_file; /* NULL = default */
	bool is_check;	      /* nothing is to go: rfork_check() */
};

/* Checks `options` (NULL = all default); 0 or a negative errno with a report. */
int rf_options_check(struct rf_options *result, const struct rfork_options *options,
		     struct rf_report *report);

#endif
