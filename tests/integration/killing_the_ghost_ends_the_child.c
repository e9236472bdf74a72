/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGKILL to the ghost ends the child on the node, and every descendant that the child
 * has made, those that left its process group included.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

static _Noreturn void be_the_child(void)
{
	pid_t runaway = fork();

	if (!runaway) {
		setsid();
		if (fork())
			_exit(0);
		dprintf(1, "%d\n", (int)getpid());
		for (;;)
			pause();
	}
	dprintf(1, "%d\n", (int)getpid());
	for (;;)
		pause();
}

int main(void)
{
	struct node_load load;
	struct node node;
	pid_t ghost, child[2];
	int reader;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	reader = test_pipe_output();
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	child[0] = (pid_t)test_read_number(reader);
	child[1] = (pid_t)test_read_number(reader);
	CHECK(child[0] != ghost && child[1] != ghost);
	CHECK_CALL(kill(child[0], 0));
	CHECK_CALL(kill(child[1], 0));
	CHECK_CALL(kill(ghost, SIGKILL));
	test_expect_signal(ghost, SIGKILL);
	CHECK(test_has_ended(child[0], TEST_DEADLINE_MS));
	CHECK(test_has_ended(child[1], TEST_DEADLINE_MS));
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
