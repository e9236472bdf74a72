/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that moves takes all its memory, also what a fork child would not have: ranges marked
 * MADV_DONTFORK and MADV_WIPEONFORK, and locked ones.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "tests/support/mover.h"

#define BYTES (16 * TEST_PAGE_BYTES)

static unsigned char *map(int flags, int advice)
{
	void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memset(memory, 0x5a, BYTES);
	if (advice)
		CHECK_CALL(madvise(memory, BYTES, advice));
	return memory;
}

static void expect_content(const unsigned char *memory)
{
	for (size_t i = 0; i < BYTES; i++)
		CHECK_EQUAL(memory[i], 0x5a);
}

static int move_all(const struct node *node)
{
	unsigned char *absent = map(MAP_PRIVATE, MADV_DONTFORK);
	unsigned char *wiped = map(MAP_PRIVATE, MADV_WIPEONFORK);
	unsigned char *shared = map(MAP_SHARED, 0);
	unsigned char *locked = map(MAP_PRIVATE, 0);

	CHECK_CALL(mlock(locked, BYTES));
	mover_go(node);
	expect_content(absent);
	expect_content(wiped);
	expect_content(shared);
	expect_content(locked);
	return 0;
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	mover_run(&node, move_all);
	node_stop(&node);
	return test_end();
}
