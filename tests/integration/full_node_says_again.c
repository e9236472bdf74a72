/* SPDX-License-Identifier: MIT */
/*
 * Claim: a node at its maximum of children refuses with EAGAIN, and serves again when one ended.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

int main(void)
{
	const char *arguments[] = { "--max-children", "1", NULL };
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct node node;
	pid_t ghost, child;
	sigset_t set;
	int reader;

	test_begin();
	node_start(&node, arguments);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	reader = test_pipe_output();
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		test_await_signal(SIGUSR1);
		_exit(0);
	}
	child = (pid_t)test_read_number(reader);
	footprint_expect_refusal(node.host, &options, EAGAIN, NULL);
	CHECK_CALL(kill(child, SIGUSR1));
	test_expect_exit(ghost, 0);
	/* The place is free once the listener has seen its session end. */
	for (int64_t end_ms = test_now_ms() + TEST_DEADLINE_MS;;) {
		pid_t pid = rfork_with(node.host, &options);

		if (!pid)
			_exit(0);
		if (pid > 0) {
			test_expect_exit(pid, 0);
			break;
		}
		CHECK_EQUAL(errno, EAGAIN);
		CHECK(test_now_ms() < end_ms);
	}
	node_stop(&node);
	return test_end();
}
