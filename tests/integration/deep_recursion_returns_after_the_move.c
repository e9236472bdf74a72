/* SPDX-License-Identifier: MIT */
/*
 * Claim: a move from the bottom of a deep recursion returns through every frame.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/node.h"

#define DEPTH 20000

static struct node node;
static pid_t pid;

__attribute__((noinline)) static uint64_t descend(unsigned depth, uint64_t salt)
{
	volatile uint64_t local[8];
	uint64_t below;

	for (unsigned i = 0; i < 8; i++)
		local[i] = salt * (i + 1) + depth;
	if (!depth) {
		pid = node_move_returns_twice(&node, 0);
		below = 1;
	} else {
		below = descend(depth - 1, salt ^ depth);
	}
	for (unsigned i = 0; i < 8; i++)
		CHECK(local[i] == salt * (i + 1) + depth);
	return below + depth;
}

int main(void)
{
	uint64_t sum;

	test_begin();
	node_start(&node, NULL);
	sum = descend(DEPTH, 77);
	CHECK_EQUAL(sum, 1 + (uint64_t)DEPTH * (DEPTH + 1) / 2);
	if (!pid)
		_exit(0);
	test_expect_exit(pid, 0);
	node_stop(&node);
	return test_end();
}
