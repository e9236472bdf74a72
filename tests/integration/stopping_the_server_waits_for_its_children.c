/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGTERM makes the server refuse new callers but lets a running child finish; then it
 * exits 0.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct node node;
	pid_t ghost, child;
	sigset_t set;
	int reader;

	test_begin();
	node_start(&node, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	reader = test_pipe_output();
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		test_await_signal(SIGUSR1);
		_exit(5);
	}
	child = (pid_t)test_read_number(reader);
	CHECK_CALL(kill(node.pid, SIGTERM));
	/* A refusal is the event that tells that the signal has been taken. */
	for (int64_t end_ms = test_now_ms() + TEST_DEADLINE_MS;;) {
		pid_t other = rfork_with(node.host, &options);

		if (!other)
			_exit(0);
		if (other < 0 && errno == ECONNREFUSED)
			break;
		if (other > 0)
			test_wait(other);
		CHECK(test_now_ms() < end_ms);
	}
	CHECK_CALL(kill(child, SIGUSR1));
	test_expect_exit(ghost, 5);
	test_expect_exit(node.pid, 0);
	test_forget_process(node.pid);
	test_remove_directory(node.directory);
	return test_end();
}
