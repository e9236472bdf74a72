/* SPDX-License-Identifier: MIT */
/*
 * Claim: pages that were never written, and pages of zeros, take no memory in the child, nor
 * does the look at them give the caller pages.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define BYTES (256ul << 20)
#define STRIDE (16ul << 20)

static char *sparse;

static size_t resident_bytes(void)
{
	unsigned long size, resident;
	FILE *file = fopen("/proc/self/statm", "re");

	CHECK(file);
	CHECK_EQUAL(fscanf(file, "%lu %lu", &size, &resident), 2);
	fclose(file);
	return resident * TEST_PAGE_BYTES;
}

static void *reserve(void)
{
	void *memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	/* A huge page would make the holes into memory before we look. */
	CHECK_CALL(madvise(memory, BYTES, MADV_NOHUGEPAGE));
	return memory;
}

int main(void)
{
	char *zeros;
	struct node node;
	size_t before;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	sparse = reserve();
	zeros = reserve();
	for (size_t at = 0; at < BYTES; at += STRIDE)
		sparse[at] = 1;
	for (size_t at = 0; at < BYTES; at += TEST_PAGE_BYTES)
		(void)*(volatile char *)(zeros + at); /* the shared zero page */
	before = resident_bytes();
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_AT_MOST(resident_bytes(), 16l << 20);
		for (size_t at = 0; at < BYTES; at += STRIDE)
			CHECK_EQUAL(sparse[at], 1);
		CHECK_EQUAL(sparse[STRIDE / 2], 0);
		CHECK_EQUAL(zeros[BYTES - 1], 0);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_AT_MOST(resident_bytes(), before + (1l << 20));
	node_stop(&node);
	return test_end();
}
