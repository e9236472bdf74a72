/* SPDX-License-Identifier: MIT */
/*
 * The clock of all measurements: the same for every process of a machine, so that a time
 * taken in a child compares with one taken in its parent.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

#endif
