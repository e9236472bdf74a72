/* SPDX-License-Identifier: MIT */
/*
 * Claim: blocks allocated before the move can be freed and grown after it, and new ones made.
 */
#define _GNU_SOURCE
#include <stdlib.h>

#include "tests/support/node.h"

#define BLOCKS 2000

static unsigned char *blocks[BLOCKS];
static uint64_t state = 5;

static size_t size_of(unsigned i)
{
	return 1 + (i * 7919u) % (i % 50 ? 3000 : 400000);
}

static void build(void)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(size_of(i));
		CHECK(blocks[i]);
		memset(blocks[i], (int)i, size_of(i));
	}
	for (unsigned i = 0; i < BLOCKS; i += 3) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

static void verify(void)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		if (blocks[i])
			CHECK_EQUAL(blocks[i][size_of(i) - 1], (unsigned char)i);
		blocks[i] = realloc(blocks[i], 1 + test_random(&state) % 300000);
		CHECK(blocks[i]);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		free(blocks[i]);
}

int main(void)
{
	return node_three_beats(build, verify);
}
