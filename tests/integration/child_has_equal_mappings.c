/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child's list of mappings is the caller's: addresses, permissions and names, the
 * vdso included, and nothing of the restorer remains; nor does the caller's own list change.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

static struct footprint before, now;

static void map(size_t pages, int protection)
{
	char *memory = mmap(NULL, (pages + 1) * TEST_PAGE_BYTES, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	CHECK_CALL(mprotect(memory, pages * TEST_PAGE_BYTES, protection));
	if (protection & PROT_WRITE)
		memset(memory, 5, pages * TEST_PAGE_BYTES);
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	map(3, PROT_READ | PROT_WRITE);
	map(50, PROT_READ);
	map(7, PROT_READ | PROT_EXEC);
	map(1, PROT_NONE);
	node_expect_service(&node); /* what the first call keeps, it has now */
	footprint_read_maps(&before);
	footprint_read_maps(&before);
	pid = node_move_returns_twice(&node, 0);
	footprint_read_maps(&now);
	footprint_expect_maps(&now, &before);
	if (!pid)
		_exit(0);
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}
