/* SPDX-License-Identifier: MIT */
/*
 * One timed rfork(), for the subjects (minimal.c, memory.c): what a subject does beside it must
 * stay small, because its memory is what is measured.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

/*
 * One rfork(), whose child prints "first N": nanoseconds from the call to its first instruction.
 * return_ns: from the call to its return in the caller.
 * 0; a positive errno of rfork_with(); or -1 after a message, when the child failed.
 */
int measure_rfork(const char *host, uint64_t flags, int64_t *return_ns);

struct rfork_options;

/* The same with options, and another word in the child's line. */
int measure_rfork_with(const char *host, const struct rfork_options *options, const char *word,
		       int64_t *return_ns);

struct measure_times {
	int64_t first_ns;  /* from the call to what the child does */
	int64_t return_ns; /* from the call to its return in the caller */
};

/*
 * fork(), after which the child reads all of `bytes` bytes, word by word; times->first_ns is when
 * it has done so.  bytes = 0: it only says that it runs.  0, or -1 after a message.
 */
int measure_fork(const void *memory, size_t bytes, struct measure_times *times);

#endif
