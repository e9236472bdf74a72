/* SPDX-License-Identifier: MIT */
/*
 * What the calling process holds: descriptors, mappings and children.  Taken before and after
 * a call that must leave nothing behind.
 */
#ifndef TEST_SUPPORT_FOOTPRINT_H
#define TEST_SUPPORT_FOOTPRINT_H

#include "tests/support/test.h"

#define FOOTPRINT_FDS 256
#define FOOTPRINT_CHILDREN 64
#define FOOTPRINT_MAPS 1024

struct footprint_map {
	uint64_t start, end;
	char permissions[5];
	char name[80]; /* empty where there is none */
};

struct footprint {
	char fds[FOOTPRINT_FDS][64]; /* empty = closed */
	pid_t children[FOOTPRINT_CHILDREN];
	unsigned child_count;
	struct footprint_map maps[FOOTPRINT_MAPS];
	unsigned map_count;
};

/* Reads /proc/self/maps without a change of the map: no malloc. */
void footprint_read_maps(struct footprint *footprint);

void footprint_take(struct footprint *footprint);

/* Fails the test, naming what was left. */
void footprint_expect_maps(const struct footprint *now, const struct footprint *before);
void footprint_expect(const struct footprint *before);

/* The call must fail with `error` and a sentence that holds `names`, leave nothing, and change
 * nothing in memory that is not the library's. */
void footprint_expect_refusal(const char *host, const struct rfork_options *options, int error,
			      const char *names);

#endif
