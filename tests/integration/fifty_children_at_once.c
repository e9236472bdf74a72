/* SPDX-License-Identifier: MIT */
/*
 * Claim: fifty children of one caller live at the same time, each with its own status.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

#define CHILDREN 50

int main(void)
{
	pid_t ghosts[CHILDREN], children[CHILDREN];
	struct node_load load;
	struct node node;
	sigset_t set;
	int reader;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	reader = test_pipe_output();
	for (int i = 0; i < CHILDREN; i++) {
		ghosts[i] = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
		if (!ghosts[i]) {
			dprintf(1, "%d\n", (int)getpid());
			test_await_signal(SIGUSR1);
			_exit(100 + i);
		}
	}
	/* Lines come in any order; each is one write. */
	for (int i = 0; i < CHILDREN; i++)
		children[i] = (pid_t)test_read_number(reader);
	for (int i = 0; i < CHILDREN; i++)
		CHECK_CALL(kill(children[i], 0));
	for (int i = 0; i < CHILDREN; i++)
		CHECK_CALL(kill(children[i], SIGUSR1));
	for (int i = 0; i < CHILDREN; i++)
		test_expect_exit(ghosts[i], 100 + i);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
