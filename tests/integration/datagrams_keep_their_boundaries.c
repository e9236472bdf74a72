/* SPDX-License-Identifier: MIT */
/*
 * Claim: over a unix datagram socketpair each message of parent and child arrives as one message, in
 * its order and with its length, from none at all to more than a frame takes; one that is too long
 * fails in the child as it does at home.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define LONGEST 200000u

static const size_t lengths[] = { 1, 0, 7, 0, 0, 4096, 65535, 65536, 65537, 131072, LONGEST, 3 };

#define COUNT (sizeof(lengths) / sizeof(lengths[0]))

static struct node node;
static unsigned char sent[LONGEST + COUNT], got[LONGEST + 1];

static void send_all(int fd)
{
	for (size_t i = 0; i < COUNT; i++)
		CHECK_EQUAL(send(fd, sent + i, lengths[i], 0), lengths[i]);
}

static void expect_all(int fd)
{
	for (size_t i = 0; i < COUNT; i++) {
		CHECK_EQUAL(recv(fd, got, sizeof(got), 0), lengths[i]);
		CHECK(!memcmp(got, sent + i, lengths[i]));
	}
}

/* Sends in a process of its own, for it may have to wait until the other side reads. */
static void talk(int fd)
{
	pid_t sender = CHECK_CALL(fork());

	if (!sender) {
		send_all(fd);
		_exit(0);
	}
	expect_all(fd);
	test_expect_exit(sender, 0);
}

static void check_both_directions(int type)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, type, 0, ends));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		talk(ends[1]);
		_exit(42);
	}
	talk(ends[0]);
	test_expect_exit(pid, 42);
	close(ends[0]);
	close(ends[1]);
}

/* What remains in a send buffer after the kernel's part of it, unix(7). */
static size_t find_limit(int fd)
{
	socklen_t bytes = sizeof(int);
	int buffer = 0;

	CHECK_CALL(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, &bytes));
	return (size_t)buffer - 32;
}

static void check_limit(int send_buffer)
{
	static char block[1u << 20];
	size_t limit;
	int ends[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	CHECK_CALL(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)));
	limit = find_limit(ends[1]);
	CHECK_EQUAL(send(ends[1], block, limit + 1, MSG_DONTWAIT), -1);
	CHECK_EQUAL(errno, EMSGSIZE);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(send(ends[1], block, limit + 1, MSG_DONTWAIT), -1);
		CHECK_EQUAL(errno, EMSGSIZE);
		CHECK_EQUAL(send(ends[1], block, limit, 0), limit);
		_exit(0);
	}
	CHECK_EQUAL(recv(ends[0], block, sizeof(block), 0), limit);
	test_expect_exit(pid, 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	test_begin();
	test_fill(sent, sizeof(sent), 26);
	node_start(&node, NULL);
	check_both_directions(SOCK_DGRAM);
	check_both_directions(SOCK_SEQPACKET);
	check_limit(4096);
	check_limit(65536);
	node_stop(&node);
	return test_end();
}
