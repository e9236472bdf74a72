/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child accepts a thousand connections one after another, and a hundred that stay open at once, each
 * of which it serves; numbers and descriptors of those that are over are used again, on both sides.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define IN_A_ROW 1000
#define AT_ONCE 100
/* Fewer than connections in a row, more than at once. */
#define DESCRIPTORS 256

static void echo_byte(int fd)
{
	char byte;

	CHECK_EQUAL(recv(fd, &byte, 1, 0), 1);
	CHECK_EQUAL(send(fd, &byte, 1, 0), 1);
}

static _Noreturn void serve(int listener)
{
	static int open[AT_ONCE];

	for (int i = 0; i < IN_A_ROW; i++) {
		int fd = CHECK_CALL(accept(listener, NULL, NULL));

		echo_byte(fd);
		close(fd);
	}
	for (int i = 0; i < AT_ONCE; i++)
		open[i] = CHECK_CALL(accept(listener, NULL, NULL));
	for (int i = AT_ONCE - 1; i >= 0; i--)
		echo_byte(open[i]);
	_exit(42);
}

static void expect_echo(int fd, char byte)
{
	char got = 0;

	CHECK_EQUAL(send(fd, &byte, 1, 0), 1);
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(fd, &got, 1, 0), 1);
	CHECK_EQUAL(got, byte);
}

int main(void)
{
	static int clients[AT_ONCE];
	struct listening listening;
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };
	struct node node;
	pid_t pid;

	test_begin();
	CHECK_CALL(setrlimit(RLIMIT_NOFILE, &limit));
	node_start(&node, NULL);
	CHECK(listening_start(&listening, LISTENING_TCP));
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		serve(listening.fd);
	close(listening.fd);
	for (int i = 0; i < IN_A_ROW; i++) {
		int client = listening_connect(&listening);

		expect_echo(client, (char)i);
		stream_expect_end(client);
		close(client);
	}
	for (int i = 0; i < AT_ONCE; i++)
		clients[i] = listening_connect(&listening);
	for (int i = AT_ONCE - 1; i >= 0; i--)
		expect_echo(clients[i], (char)i);
	test_expect_exit(pid, 42);
	for (int i = 0; i < AT_ONCE; i++) {
		stream_expect_end(clients[i]);
		close(clients[i]);
	}
	node_stop(&node);
	return test_end();
}
