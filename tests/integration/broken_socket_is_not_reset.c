/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that writes to a socket whose far end has been closed, or shut down, gets EPIPE in
 * the end, as at home: not ECONNRESET, and it does not wait for room that never comes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define ROUNDS 20

/* errno of the write that fails. */
static int write_until_broken(int fd)
{
	for (;;) {
		if (write(fd, "x", 1) == 1)
			continue;
		if (errno != EAGAIN)
			return errno;
		CHECK(test_poll(fd, POLLOUT, TEST_DEADLINE_MS / 2));
	}
}

static void check(const struct node *node, bool is_closed, bool is_nonblocking)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	if (is_nonblocking)
		stream_set_nonblocking(ends[0], true);
	if (is_closed)
		CHECK_CALL(close(ends[1]));
	else
		CHECK_CALL(shutdown(ends[0], SHUT_WR));
	pid = node_move_returns_twice(node, 0);
	if (!pid)
		_exit(write_until_broken(ends[0]));
	test_expect_exit(pid, EPIPE);
	close(ends[0]);
	if (!is_closed)
		close(ends[1]);
}

int main(void)
{
	struct node node;

	test_begin();
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	node_start(&node, NULL);
	for (int round = 0; round < ROUNDS; round++) {
		check(&node, true, false);
		check(&node, true, true);
		check(&node, false, false);
		check(&node, false, true);
	}
	node_stop(&node);
	return test_end();
}
