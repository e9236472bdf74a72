/* SPDX-License-Identifier: MIT */
/*
 * Claim: a message that needs all of a channel's credit is sent also after shorter ones that the parent
 * has read, whatever their number and size.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define LONG_BYTES 300000
#define SHORTS 40

static struct node node;
static unsigned char message[LONG_BYTES], got[LONG_BYTES];

/* Long ones behind one short one, behind two, and so on. */
static void send_all(int fd)
{
	int room = 2 * LONG_BYTES;

	CHECK_CALL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	for (size_t shorts = 1; shorts <= SHORTS; shorts *= 3) {
		for (size_t i = 0; i < shorts; i++)
			CHECK_EQUAL(send(fd, message, i * 100, 0), (ssize_t)i * 100);
		CHECK_EQUAL(CHECK_CALL(send(fd, message, LONG_BYTES, 0)), LONG_BYTES);
	}
}

static void expect_message(int fd, size_t bytes)
{
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(CHECK_CALL(recv(fd, got, sizeof(got), 0)), (ssize_t)bytes);
	CHECK(!memcmp(got, message, bytes));
}

static void check(int type)
{
	int ends[2], room = 2 * LONG_BYTES;
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, type, 0, ends));
	CHECK_CALL(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(ends[0]);
		send_all(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	for (size_t shorts = 1; shorts <= SHORTS; shorts *= 3) {
		for (size_t i = 0; i < shorts; i++)
			expect_message(ends[0], i * 100);
		expect_message(ends[0], LONG_BYTES);
	}
	test_expect_exit(pid, 0);
	close(ends[0]);
}

int main(void)
{
	int room = 0, wanted = 2 * LONG_BYTES, fd;
	socklen_t bytes = sizeof(room);

	test_begin();
	fd = CHECK_CALL(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	CHECK_CALL(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted)));
	CHECK_CALL(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, &bytes));
	close(fd);
	if (room < wanted)
		test_skip("sockets of this machine take no message of %d bytes", LONG_BYTES);
	test_fill(message, sizeof(message), 1);
	node_start(&node, NULL);
	check(SOCK_SEQPACKET);
	check(SOCK_DGRAM);
	node_stop(&node);
	return test_end();
}
