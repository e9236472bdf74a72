/* SPDX-License-Identifier: MIT */
/*
 * Claim: each of the 256 exit codes of a child is that of its ghost.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/node.h"

#define AT_ONCE 8

int main(void)
{
	struct node node;
	pid_t pids[AT_ONCE];

	test_begin();
	node_start(&node, NULL);
	for (int first = 0; first < 256; first += AT_ONCE) {
		for (int i = 0; i < AT_ONCE; i++) {
			pids[i] = node_move_returns_twice(&node, 0);
			if (!pids[i])
				_exit(first + i);
		}
		for (int i = 0; i < AT_ONCE; i++)
			test_expect_exit(pids[i], first + i);
	}
	node_stop(&node);
	return test_end();
}
