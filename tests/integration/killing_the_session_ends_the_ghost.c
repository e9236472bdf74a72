/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the session dies, the ghost dies by SIGKILL, the child ends, and the server goes on.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

/* The session is the parent of the child: read from the child's own /proc. */
int main(void)
{
	struct node node;
	pid_t ghost, child, session;
	int reader;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		for (;;)
			pause();
	}
	child = (pid_t)test_read_number(reader);
	session = node_parent_of(child);
	CHECK(session > 1 && session != node.pid && session != getpid());
	CHECK_CALL(kill(session, SIGKILL));
	test_expect_signal(ghost, SIGKILL);
	CHECK(test_has_ended(child, TEST_DEADLINE_MS));
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
