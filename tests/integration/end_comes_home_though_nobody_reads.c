/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that has written more than its parent reads can be killed and waited for all the same, as
 * after fork(), whether it waits in write(2) for room or has done its writing; what is under way then can
 * still be read, up to the end, and nothing is left behind.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define PIECE_BYTES 4096

/* More than a pipe takes, but not more than is under way to it; and more than that. */
static const size_t sizes[] = { 100000, 8u << 20 };

static char block[PIECE_BYTES];

static _Noreturn void be_the_child(int out, int up, size_t bytes)
{
	stream_tell(up);
	for (size_t done = 0; done < bytes; done += sizeof(block))
		test_write(out, block, sizeof(block));
	stream_tell(up);
	for (;;)
		pause();
}

static size_t drain(int fd)
{
	static char text[65536];
	size_t sum = 0, got;

	while ((got = test_read(fd, text, sizeof(text))) > 0) {
		for (size_t i = 0; i < got; i++)
			CHECK_EQUAL(text[i], 'x');
		sum += got;
	}
	return sum;
}

static void check(const struct node *node, const int ends[2], size_t bytes)
{
	size_t got;
	pid_t pid;
	int up[2];

	CHECK_CALL(pipe(up));
	pid = node_move_returns_twice(node, 0);
	if (!pid)
		be_the_child(ends[1], up[1], bytes);
	close(ends[1]);
	close(up[1]);
	stream_hear(up[0]);
	if (bytes < sizes[1])
		stream_hear(up[0]);
	else
		CHECK(test_poll(ends[0], POLLIN, TEST_DEADLINE_MS));
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	got = drain(ends[0]);
	CHECK(got > 0);
	CHECK(bytes == sizes[1] || got >= bytes);
	stream_expect_end(up[0]);
	close(ends[0]);
	close(up[0]);
}

int main(void)
{
	struct node node;
	int ends[2];

	test_begin();
	memset(block, 'x', sizeof(block));
	node_start(&node, NULL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_CALL(pipe(ends));
		check(&node, ends, sizes[i]);
		CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
		check(&node, ends, sizes[i]);
	}
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
