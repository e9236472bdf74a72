/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGKILL to the server ends its sessions and their children, and the ghosts die by
 * SIGKILL; nothing of the server is left.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

#define CHILDREN 3

int main(void)
{
	pid_t ghosts[CHILDREN], below[256];
	struct node node;
	unsigned count;
	int reader;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	for (int i = 0; i < CHILDREN; i++) {
		ghosts[i] = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
		if (!ghosts[i]) {
			dprintf(1, "%d\n", (int)getpid());
			for (;;)
				pause();
		}
		test_read_number(reader);
	}
	count = node_descendants(node.pid, below, 256);
	CHECK(count >= CHILDREN);
	CHECK_CALL(kill(node.pid, SIGKILL));
	test_expect_signal(node.pid, SIGKILL);
	for (int i = 0; i < CHILDREN; i++)
		test_expect_signal(ghosts[i], SIGKILL);
	for (unsigned i = 0; i < count; i++)
		CHECK(test_has_ended(below[i], TEST_DEADLINE_MS));
	test_remove_directory(node.directory);
	return test_end();
}
