/* SPDX-License-Identifier: MIT */
/*
 * Claim: shared anonymous memory of huge pages, which neither a fork child's page table nor mincore(2)
 * shows, arrives whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/node.h"

#define BYTES (2ul << 20)
#define TEXT "in a huge page"

int main(void)
{
	struct node node;
	char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	pid_t pid;

	test_begin();
	if (memory == MAP_FAILED)
		test_skip("no huge page to be had: %s", strerror(errno));
	strcpy(memory + BYTES - 4096, TEXT);
	node_start(&node, NULL);
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid)
		_exit(strcmp(memory + BYTES - 4096, TEXT) ? 1 : 7);
	test_expect_exit(pid, 7);
	node_stop(&node);
	return test_end();
}
