/* SPDX-License-Identifier: MIT */
/*
 * All that stands against a checkpoint, in one sentence.  No malloc.
 */
#ifndef RF_REFUSALS_H
#define RF_REFUSALS_H

#include <stddef.h>

#include "rfork/report.h"

struct rf_refusals {
	char text[RF_REPORT_BYTES - 96]; /* the rest is for the words around it */
	size_t used;
	unsigned count, unnamed; /* all, and those for which there was no room */
};

/* Adds one: an object, and why it cannot be kept. */
void rf_refuse(struct rf_refusals *refusals, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* 0 if there were none, else -ENOTSUP with a report that names as many as fit, counts the
 * others, and ends with the advice, of at most 50 bytes: "" if there is none. */
int rf_refusals_report(const struct rf_refusals *refusals, const char *advice,
		       struct rf_report *report);

#endif
