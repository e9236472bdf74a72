/* SPDX-License-Identifier: MIT */
/*
 * Claim: as after fork(), MADV_DONTFORK memory is not in the child and MADV_WIPEONFORK memory
 * is zero; shared anonymous memory arrives as a private copy with its bytes.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define BYTES (16 * TEST_PAGE_BYTES)

static unsigned char *absent, *wiped, *shared;

static unsigned char *map(int flags, int advice)
{
	void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	memset(memory, 0x5a, BYTES);
	if (advice)
		CHECK_CALL(madvise(memory, BYTES, advice));
	return memory;
}

static bool is_mapped(const void *address)
{
	unsigned char vector;

	return !mincore((void *)address, TEST_PAGE_BYTES, &vector);
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	absent = map(MAP_PRIVATE, MADV_DONTFORK);
	wiped = map(MAP_PRIVATE, MADV_WIPEONFORK);
	shared = map(MAP_SHARED, 0);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(!is_mapped(absent));
		CHECK(!is_mapped(absent + BYTES - TEST_PAGE_BYTES));
		for (size_t i = 0; i < BYTES; i++) {
			CHECK_EQUAL(wiped[i], 0);
			CHECK_EQUAL(shared[i], 0x5a);
		}
		shared[0] = 1;
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(absent[0], 0x5a);
	CHECK_EQUAL(wiped[0], 0x5a);
	CHECK_EQUAL(shared[0], 0x5a);
	node_stop(&node);
	return test_end();
}
