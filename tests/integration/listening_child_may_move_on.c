/* SPDX-License-Identifier: MIT */
/*
 * Claim: a remote child that moves on takes its sockets along: after the second move it still accepts the
 * connections of a listening socket at home, talks over a datagram socket, and answers the clients of one
 * without a peer, through both ghosts.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

#define CLIENTS 3

static struct node node;

static void answer(int server)
{
	struct sockaddr_storage client;
	socklen_t bytes = sizeof(client);
	char byte;

	CHECK_EQUAL(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&client, &bytes), 1);
	CHECK_EQUAL(sendto(server, &byte, 1, 0, (struct sockaddr *)&client, bytes), 1);
}

static void serve(int listener, int pair)
{
	char byte;

	for (int i = 0; i < CLIENTS; i++) {
		int fd = CHECK_CALL(accept(listener, NULL, NULL));

		CHECK_EQUAL(recv(fd, &byte, 1, 0), 1);
		CHECK_EQUAL(send(fd, &byte, 1, 0), 1);
		close(fd);
		CHECK_EQUAL(recv(pair, &byte, 1, 0), 1);
		CHECK_EQUAL(send(pair, &byte, 1, 0), 1);
	}
}

/* Moves on, and stays as the parent of what has moved. */
static _Noreturn void go_on(int listener, int pair)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	if (!pid) {
		if (pair >= 0)
			serve(listener, pair);
		for (int i = 0; pair < 0 && i < CLIENTS; i++)
			answer(listener);
		_exit(42);
	}
	close(listener);
	if (pair >= 0)
		close(pair);
	test_expect_exit(pid, 42);
	_exit(43);
}

static void expect_echo(int fd, char sent)
{
	char got = 0;

	CHECK_EQUAL(send(fd, &sent, 1, 0), 1);
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(fd, &got, 1, 0), 1);
	CHECK_EQUAL(got, sent);
}

static void check(enum listening_kind kind)
{
	struct listening listening;
	int pair[2];
	pid_t pid;

	CHECK(listening_start(&listening, kind));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(pair[0]);
		go_on(listening.fd, pair[1]);
	}
	close(listening.fd);
	close(pair[1]);
	for (int i = 0; i < CLIENTS; i++) {
		int client = listening_connect(&listening);

		expect_echo(client, (char)('a' + i));
		close(client);
		expect_echo(pair[0], (char)('A' + i));
	}
	test_expect_exit(pid, 43);
	close(pair[0]);
}

/* The first node's socket is of AF_UNIX already: its correspondents are the session's sockets. */
static void check_server(void)
{
	int server = CHECK_CALL(socket(AF_INET, SOCK_DGRAM, 0)), clients[2];
	struct sockaddr_storage address = { .ss_family = AF_INET };
	socklen_t bytes = sizeof(struct sockaddr_in);
	pid_t pid;

	CHECK_CALL(bind(server, (struct sockaddr *)&address, bytes));
	CHECK_CALL(getsockname(server, (struct sockaddr *)&address, &bytes));
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		go_on(server, -1);
	close(server);
	for (int i = 0; i < 2; i++) {
		clients[i] = CHECK_CALL(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
		CHECK_CALL(connect(clients[i], (struct sockaddr *)&address, bytes));
	}
	for (int i = 0; i < CLIENTS; i++)
		expect_echo(clients[i % 2], (char)('0' + i));
	test_expect_exit(pid, 43);
	close(clients[0]);
	close(clients[1]);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	check(LISTENING_TCP);
	check(LISTENING_SEQPACKET);
	check_server();
	node_stop(&node);
	return test_end();
}
