/* SPDX-License-Identifier: MIT */
/*
 * Values measured, and the table that they end in.
 */
#ifndef BENCH_SERIES_H
#define BENCH_SERIES_H

#include <stddef.h>
#include <stdio.h>

#define SERIES_MOST 1000

#define SERIES_SENTENCE_BYTES 160

struct series {
	double values[SERIES_MOST];
	size_t count;
	char skipped[SERIES_SENTENCE_BYTES]; /* why there are no values; "" = they failed */
};

void series_add(struct series *series, double value);

/* The value below which a share (0 to 1) of the values is; sorts them.  0 if there are none. */
double series_quantile(struct series *series, double share);

/* A row: ours against limit_ratio * floor + limit_extra. */
struct row {
	const char *what;
	const char *unit;
	struct series *ours;
	const char *floor_name;
	double floor; /* median; 0 = there is none */
	double limit_ratio;
	double limit_extra; /* in units */
	const char *target; /* in words; NULL = no target */
};

/* Prints what machine this is, each line after `prefix`. */
void table_machine(FILE *file, const char *prefix);

void table_head(FILE *file);
void table_csv_head(FILE *file);

/* Prints rows for readers to standard output and, unless it is NULL, for programs to csv. */
void table_rows(const struct row *rows, size_t count, FILE *csv);

#endif
