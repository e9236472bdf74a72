/* SPDX-License-Identifier: MIT */
/*
 * Claim: brk goes on where it stood, and the grown heap stays one mapping with its name.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

static struct footprint maps;
static char *end_was;

static struct footprint_map *heap(void)
{
	struct footprint_map *found = NULL;

	footprint_read_maps(&maps);
	for (unsigned i = 0; i < maps.map_count; i++) {
		if (strcmp(maps.maps[i].name, "[heap]"))
			continue;
		CHECK(!found);
		found = &maps.maps[i];
	}
	CHECK(found);
	return found;
}

static void build(void)
{
	char *start = sbrk(5 * TEST_PAGE_BYTES + 100);

	memset(start, 9, 5 * TEST_PAGE_BYTES + 100);
	end_was = sbrk(0);
}

static void verify(void)
{
	uint64_t start = heap()->start;
	char *grown;

	CHECK(sbrk(0) == end_was);
	grown = sbrk(64 * TEST_PAGE_BYTES);
	CHECK(grown == end_was);
	memset(grown, 3, 64 * TEST_PAGE_BYTES);
	CHECK_EQUAL(end_was[-1], 9);
	CHECK_EQUAL(heap()->start, start);
	CHECK(heap()->end >= (uint64_t)(end_was + 64 * TEST_PAGE_BYTES));
	CHECK(sbrk(-64l * (long)TEST_PAGE_BYTES) != (void *)-1);
}

int main(void)
{
	return node_three_beats(build, verify);
}
