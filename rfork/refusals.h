/* SPDX-License-Identifier: MIT */
/*
 * All that stands against a fork, a move or a checkpoint: a line for each, gathered rather than
 * told one by one.  No malloc, and nothing but the memory that is given: the frozen ghost gathers,
 * too.
 */
#ifndef RF_REFUSALS_H
#define RF_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>

#include "rfork/report.h"

/* Room that is enough for what a sentence can name. */
#define RF_REFUSALS_BYTES 4096u

struct rf_refusals {
	char *lines;	   /* of the caller; each ends with a newline, all with a zero */
	size_t bytes;	   /* of room */
	size_t used;	   /* without the zero */
	unsigned count;	   /* of all */
	unsigned listed;   /* of those for which there was room */
	unsigned closable; /* descriptors, which RFORK_CLOSE_OTHERS leaves out */
	int error;	   /* positive errno of the first one */
};

/* Begins an empty list in `bytes` of memory at `lines`; 0 bytes: they are only counted. */
void rf_refusals_begin(struct rf_refusals *refusals, char *lines, size_t bytes);

/* Empties the list. */
void rf_refusals_clear(struct rf_refusals *refusals);

/* Adds one with ENOTSUP: an object, and what it is that it cannot go. */
void rf_refuse(struct rf_refusals *refusals, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether a positive errno says that something cannot go: ENOTSUP, ENOEXEC, or ENOSPC, of what
 * there is no room for; rather than that the attempt failed. */
bool rf_is_refusal(int error);

/*
 * Adds what a report says and empties it, if it is a refusal: rather than a failure of the attempt.
 * 0 then, else the report's negative errno; 0 without an error.
 */
int rf_refuse_reported(struct rf_refusals *refusals, struct rf_report *report);

/* 0 if there were none, else their negative errno with a report: the verb, such as "cannot
 * travel", or "", as many as fit, the number of the others, and the advice, of at most 50 bytes. */
int rf_refusals_report(const struct rf_refusals *refusals, const char *verb, const char *advice,
		       struct rf_report *report);

#endif
