/* SPDX-License-Identifier: MIT */
/*
 * Claim: a connected UDP socket works in the child in both directions, also with the longest
 * datagram; a port that nobody listens on does not end it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define LONGEST 65507u

static struct node node;
static unsigned char sent[LONGEST], got[LONGEST + 1];

static int open_udp(int family, struct sockaddr_storage *address)
{
	int fd = CHECK_CALL(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	socklen_t bytes = sizeof(*address);
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (family == AF_INET)
		CHECK_CALL(bind(fd, (struct sockaddr *)&v4, sizeof(v4)));
	else if (bind(fd, (struct sockaddr *)&v6, sizeof(v6)) < 0)
		test_skip("no IPv6 on loopback");
	CHECK_CALL(getsockname(fd, (struct sockaddr *)address, &bytes));
	return fd;
}

static void connect_to(int fd, const struct sockaddr_storage *address)
{
	CHECK_CALL(connect(fd, (const struct sockaddr *)address, sizeof(*address)));
}

static void expect_datagram(int fd, const void *data, size_t bytes)
{
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(fd, got, sizeof(got), 0), bytes);
	CHECK(!memcmp(got, data, bytes));
}

static void echo(int fd)
{
	for (int i = 0; i < 3; i++) {
		ssize_t count = CHECK_CALL(recv(fd, got, sizeof(got), 0));

		CHECK_EQUAL(send(fd, got, (size_t)count, 0), count);
	}
}

static void check_connected(int family)
{
	struct sockaddr_storage here, there;
	int ours = open_udp(family, &here), theirs = open_udp(family, &there);
	pid_t pid;

	connect_to(ours, &there);
	connect_to(theirs, &here);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		int type = 0;
		socklen_t bytes = sizeof(type);

		CHECK_CALL(getsockopt(theirs, SOL_SOCKET, SO_TYPE, &type, &bytes));
		CHECK_EQUAL(type, SOCK_DGRAM);
		echo(theirs);
		_exit(0);
	}
	close(theirs);
	for (size_t bytes = LONGEST; bytes != 1; bytes = bytes ? 0 : 1) {
		CHECK_EQUAL(send(ours, sent, bytes, 0), bytes);
		expect_datagram(ours, sent, bytes);
	}
	CHECK_EQUAL(send(ours, "x", 1, 0), 1);
	expect_datagram(ours, "x", 1);
	test_expect_exit(pid, 0);
	close(ours);
}

/* Nobody listens when the child begins to send; the answer comes to what it sends in the end. */
static void check_refused(void)
{
	struct sockaddr_storage here, there;
	int ours = open_udp(AF_INET, &here), theirs = open_udp(AF_INET, &there), done[2], go[2];
	pid_t pid;

	connect_to(theirs, &here);
	close(ours);
	CHECK_CALL(pipe(done));
	CHECK_CALL(pipe(go));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		for (int i = 0; i < 3; i++)
			CHECK_EQUAL(send(theirs, "early", 5, 0), 5);
		stream_tell(done[1]);
		stream_hear(go[0]);
		CHECK_EQUAL(send(theirs, "late", 4, 0), 4);
		expect_datagram(theirs, "answer", 6);
		_exit(0);
	}
	stream_hear(done[0]);
	ours = CHECK_CALL(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	CHECK_CALL(bind(ours, (struct sockaddr *)&here, sizeof(struct sockaddr_in)));
	stream_tell(go[1]);
	do { /* two streams have no order between them: early ones may come yet */
		CHECK(test_poll(ours, POLLIN, TEST_DEADLINE_MS));
		CHECK_CALL(recv(ours, got, sizeof(got), 0));
	} while (memcmp(got, "late", 4) != 0);
	connect_to(ours, &there);
	CHECK_EQUAL(send(ours, "answer", 6, 0), 6);
	test_expect_exit(pid, 0);
	close(ours);
	close(theirs);
	close(done[0]);
	close(done[1]);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	test_begin();
	test_fill(sent, sizeof(sent), 27);
	node_start(&node, NULL);
	check_connected(AF_INET);
	check_refused();
	check_connected(AF_INET6);
	node_stop(&node);
	return test_end();
}
