/* SPDX-License-Identifier: MIT */
/*
 * Claim: from the first page to the last the ghost does not change a byte of the image, nor does
 * the kernel (rseq); and the check that says so, RFORK_CHECK_FROZEN, does see a byte that changes.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define BLOCK_BYTES (20ul << 20)
#define MOVES 20 /* enough for the ghost to migrate between CPUs while it sends */

int main(void)
{
	struct node node;
	void *block;

	test_begin();
	node_start(&node, NULL);
	block = malloc(BLOCK_BYTES);
	test_fill(block, BLOCK_BYTES, 6);
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "1", 1));
	for (int i = 0; i < MOVES; i++)
		node_expect_service(&node);
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "break", 1));
	footprint_expect_refusal(node.host, NULL, EIO, "changed");
	CHECK_CALL(unsetenv("RFORK_CHECK_FROZEN"));
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
