/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child whose link is lost takes thousands of descendants along in little time: what it
 * costs to end them does not grow with the square of their number.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

#define DESCENDANTS 6000
/* Killing and reaping one takes some 50 us; the square takes minutes. */
#define LIMIT_MS 10000

/* In the child: as many processes as asked for, each in a session of its own. */
static _Noreturn void live(void)
{
	for (int i = 0; i < DESCENDANTS; i++) {
		pid_t pid = fork();

		if (!pid) {
			setsid();
			for (;;)
				pause();
		}
		if (pid < 0) {
			dprintf(1, "%d\n", i);
			pause();
		}
	}
	dprintf(1, "%d\n", DESCENDANTS);
	for (;;)
		pause();
}

int main(void)
{
	struct node node;
	struct node_load load;
	int64_t start_ms;
	pid_t ghost;
	long count;
	int reader;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	reader = test_pipe_output();
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		live();
	count = test_read_number(reader);
	start_ms = test_now_ms();
	CHECK_CALL(kill(ghost, SIGKILL));
	test_expect_signal(ghost, SIGKILL);
	node_expect_load(&node, load);
	CHECK_AT_MOST(test_now_ms() - start_ms, LIMIT_MS);
	node_stop(&node);
	if (count < DESCENDANTS)
		test_skip("no more than %ld processes are allowed here", count);
	return test_end();
}
