/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that closes a socket in which it has left bytes, and lives on, ends the connection at home,
 * also when the peer has shut down its half before.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"

static void check(const struct node *node, bool is_half_shut)
{
	int ends[2];
	pid_t pid;
	char byte;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	CHECK_EQUAL(write(ends[1], "hello", 5), 5);
	if (is_half_shut)
		CHECK_CALL(shutdown(ends[1], SHUT_WR));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		close(ends[1]);
		CHECK_EQUAL(read(ends[0], &byte, 1), 1);
		close(ends[0]);
		for (;;)
			pause();
	}
	close(ends[0]);
	CHECK(test_poll(ends[1], POLLIN, TEST_DEADLINE_MS));
	/* as at home: the end, or an error because of the bytes that nobody read */
	CHECK(read(ends[1], &byte, 1) <= 0);
	close(ends[1]);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check(&node, true);
	check(&node, false);
	node_stop(&node);
	return test_end();
}
