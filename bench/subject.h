/* SPDX-License-Identifier: MIT */
/*
 * Programs that measure themselves and print what they found.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "bench/series.h"

/* A line of a subject is a word and a number, which is scaled and goes to a series; or "skip", the
 * word and why there will be no number. */
struct reading {
	const char *word; /* NULL = no more */
	struct series *series;
	double scale;
};

/*
 * Runs a subject, a program of the folder: its name, then its arguments, at most 6, up to NULL.
 * Its standard error is ours.  0, or -1 after a message.
 */
int subject_run(const char *folder, const char *name, const char *const *rest,
		const struct reading *readings);

#endif
