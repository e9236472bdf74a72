/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the parent closes its end of a pipe or a socket, the child that writes to the other
 * gets SIGPIPE, or EPIPE if it ignores the signal; also a child that has filled it before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define MUCH (8ul << 20)

static char block[MUCH];

/*
 * Writes until that fails.  A unix socket may tell one that waits for room ECONNRESET, or EPIPE
 * without the signal (sock_alloc_send_pskb() of Linux); the next write has both.
 */
static int write_for_ever(int fd, bool is_socket)
{
	while (write(fd, block, sizeof(block)) > 0)
		;
	if (is_socket)
		CHECK_EQUAL(write(fd, block, 1), -1);
	return errno;
}

static _Noreturn void be_the_child(int fd, int say, bool is_socket, bool fill)
{
	if (fill) {
		stream_set_nonblocking(fd, true);
		CHECK(stream_fill(fd, block, MUCH) < MUCH);
		stream_set_nonblocking(fd, false);
	}
	stream_tell(say);
	_exit(write_for_ever(fd, is_socket) == EPIPE ? 42 : 1);
}

/* ends[0] is the parent's, ends[1] the child's. */
static pid_t move_and_close(const struct node *node, const int ends[2], bool is_socket, bool fill)
{
	int said[2];
	pid_t pid;

	CHECK_CALL(pipe(said));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		close(ends[0]);
		be_the_child(ends[1], said[1], is_socket, fill);
	}
	close(ends[1]);
	stream_hear(said[0]);
	close(ends[0]);
	close(said[0]);
	close(said[1]);
	return pid;
}

static void check(const struct node *node, bool is_socket, bool fill)
{
	int ends[2];

	for (int ignore = 0; ignore < 2; ignore++) {
		pid_t pid;

		if (is_socket)
			CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		else
			CHECK_CALL(pipe(ends));
		signal(SIGPIPE, ignore ? SIG_IGN : SIG_DFL);
		pid = move_and_close(node, ends, is_socket, fill);
		if (ignore)
			test_expect_exit(pid, 42);
		else
			test_expect_signal(pid, SIGPIPE);
	}
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check(&node, false, false);
	check(&node, false, true);
	check(&node, true, false);
	check(&node, true, true);
	node_stop(&node);
	return test_end();
}
