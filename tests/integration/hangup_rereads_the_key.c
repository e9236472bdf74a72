/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGHUP makes the server take the new key of its key file; a running child is not touched.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	unsigned char key[32];
	struct node node;
	pid_t ghost, child;
	sigset_t set;
	char text[65];
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
		_exit(6);
	}
	child = (pid_t)test_read_number(reader);
	node_random_key(text, key);
	node_write_key(node.key_file, text, 0600);
	CHECK_EQUAL(rfork_with(node.host, &options), -1);
	CHECK_EQUAL(errno, EKEYREJECTED);
	CHECK_CALL(kill(node.pid, SIGHUP));
	for (int64_t end_ms = test_now_ms() + TEST_DEADLINE_MS;;) {
		pid_t pid = rfork_with(node.host, &options);

		if (!pid)
			_exit(0);
		if (pid > 0) {
			test_expect_exit(pid, 0);
			break;
		}
		CHECK_EQUAL(errno, EKEYREJECTED);
		CHECK(test_now_ms() < end_ms);
	}
	CHECK_CALL(kill(child, SIGUSR1));
	test_expect_exit(ghost, 6);
	node_stop(&node);
	return test_end();
}
