/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that serves a datagram socket without a peer, of UDP or unix, hears each client under an
 * address of its own, and its answer to that address reaches this client; what it leaves unread stays. An
 * address of another kind, or none, is an error; so is that of a client which was forgotten for others.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define CLIENTS 3
#define CROWD 100
#define LONGEST 65507u

static struct node node;
static struct sockaddr_storage server_address;
static socklen_t server_bytes;
static unsigned char sent[LONGEST], got[LONGEST + 1];

/* On loopback, or under a name that the kernel finds. */
static int open_bound(int family)
{
	int fd = CHECK_CALL(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (family == AF_UNIX)
		CHECK_CALL(
			bind(fd, &(struct sockaddr){ .sa_family = AF_UNIX }, sizeof(sa_family_t)));
	else
		CHECK_CALL(bind(fd, (struct sockaddr *)&v4, sizeof(v4)));
	return fd;
}

static int open_server(int family)
{
	int fd = open_bound(family);

	server_bytes = sizeof(server_address);
	CHECK_CALL(getsockname(fd, (struct sockaddr *)&server_address, &server_bytes));
	return fd;
}

static int open_client(int family)
{
	int fd = open_bound(family);

	CHECK_CALL(connect(fd, (struct sockaddr *)&server_address, server_bytes));
	return fd;
}

static void expect_datagram(int fd, const void *data, size_t bytes)
{
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(fd, got, sizeof(got), 0), bytes);
	CHECK(!memcmp(got, data, bytes));
}

/* As a server of UDP does: with room for such an address only. */
static void answer(int fd, const void *prefix, size_t prefix_bytes)
{
	struct sockaddr_in client;
	socklen_t bytes = sizeof(client);
	static unsigned char reply[2 * LONGEST];
	ssize_t count =
		CHECK_CALL(recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&client, &bytes));

	CHECK(bytes > 0 && bytes <= sizeof(client));
	memcpy(reply, prefix, prefix_bytes);
	memcpy(reply + prefix_bytes, got, (size_t)count);
	CHECK_EQUAL(sendto(fd, reply, prefix_bytes + (size_t)count, 0, (struct sockaddr *)&client,
			   bytes),
		    (ssize_t)prefix_bytes + count);
}

static void expect_errors(int fd)
{
	struct sockaddr_in other = { .sin_family = AF_INET,
				     .sin_port = htons(9),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	CHECK_EQUAL(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	CHECK_EQUAL(errno, ENOTCONN);
	CHECK_EQUAL(sendto(fd, "x", 1, 0, (struct sockaddr *)&other, sizeof(other)), -1);
	CHECK_EQUAL(errno, EINVAL);
}

/* Two are asked and then both answered, the second first. */
static void answer_crosswise(int fd)
{
	struct sockaddr_storage clients[2];
	socklen_t bytes[2];
	char questions[2];

	for (int i = 0; i < 2; i++) {
		bytes[i] = sizeof(clients[i]);
		CHECK_EQUAL(recvfrom(fd, &questions[i], 1, 0, (struct sockaddr *)&clients[i],
				     &bytes[i]),
			    1);
	}
	for (int i = 1; i >= 0; i--)
		CHECK_EQUAL(sendto(fd, &questions[i], 1, 0, (struct sockaddr *)&clients[i],
				   bytes[i]),
			    1);
}

static void check_answers(int family)
{
	int server = open_server(family), clients[CLIENTS];
	size_t longest = family == AF_INET ? LONGEST - 2 : 10000;
	pid_t pid;

	for (int i = 0; i < CLIENTS; i++)
		clients[i] = open_client(family);
	CHECK_EQUAL(send(clients[0], "early", 5, 0), 5);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		expect_errors(server);
		for (int i = 0; i < 2 + CLIENTS; i++)
			answer(server, "re", 2);
		answer_crosswise(server);
		_exit(42);
	}
	expect_datagram(clients[0], "reearly", 7);
	CHECK_EQUAL(send(clients[1], sent, longest, 0), longest);
	CHECK(test_poll(clients[1], POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(clients[1], got, sizeof(got), 0), longest + 2);
	CHECK(!memcmp(got + 2, sent, longest));
	for (int i = 0; i < CLIENTS; i++) {
		CHECK_EQUAL(send(clients[i], "", 0, 0), 0);
		expect_datagram(clients[i], "re", 2);
	}
	CHECK_EQUAL(send(clients[1], "1", 1, 0), 1);
	CHECK_EQUAL(send(clients[2], "2", 1, 0), 1);
	CHECK_EQUAL(send(clients[0], "unread", 6, 0), 6);
	expect_datagram(clients[1], "1", 1);
	expect_datagram(clients[2], "2", 1);
	test_expect_exit(pid, 42);
	expect_datagram(server, "unread", 6);
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	close(server);
}

/* The first client's address is of no use when so many others have come. */
static void check_crowd(void)
{
	int server = open_server(AF_INET), clients[CROWD];
	pid_t pid;

	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		struct sockaddr_storage first;
		socklen_t bytes = sizeof(first);

		CHECK_EQUAL(recvfrom(server, got, sizeof(got), 0, (struct sockaddr *)&first,
				     &bytes),
			    1);
		for (int i = 1; i < CROWD; i++)
			answer(server, "", 0);
		CHECK_EQUAL(sendto(server, "x", 1, 0, (struct sockaddr *)&first, bytes), -1);
		CHECK_EQUAL(errno, ECONNREFUSED);
		_exit(0);
	}
	for (int i = 0; i < CROWD; i++) {
		char byte = (char)i;

		clients[i] = open_client(AF_INET);
		CHECK_EQUAL(send(clients[i], &byte, 1, 0), 1);
		if (i)
			expect_datagram(clients[i], &byte, 1);
	}
	test_expect_exit(pid, 0);
	for (int i = 0; i < CROWD; i++)
		close(clients[i]);
	close(server);
}

int main(void)
{
	test_begin();
	test_fill(sent, sizeof(sent), 29);
	node_start(&node, NULL);
	check_answers(AF_INET);
	check_answers(AF_UNIX);
	check_crowd();
	node_stop(&node);
	return test_end();
}
