/* SPDX-License-Identifier: MIT */
/*
 * Claim: a listening socket that a child leaves to its daemon goes on: the daemon accepts and serves, the
 * child's end came home before, and when the daemon ends nobody listens any more.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define CLIENTS 3

static struct node node;

static _Noreturn void be_the_daemon(int listener)
{
	char byte;

	setsid();
	for (int i = 0; i < CLIENTS; i++) {
		int fd = CHECK_CALL(accept(listener, NULL, NULL));

		CHECK_EQUAL(recv(fd, &byte, 1, 0), 1);
		CHECK_EQUAL(send(fd, &byte, 1, 0), 1);
		close(fd);
	}
	_exit(0);
}

static void check(enum listening_kind kind)
{
	struct listening listening;
	pid_t pid, left;

	CHECK(listening_start(&listening, kind));
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		if (!fork())
			be_the_daemon(listening.fd);
		_exit(42);
	}
	close(listening.fd);
	test_expect_exit(pid, 42);
	CHECK_EQUAL(process_find_ghosts(&left, 1), 1);
	for (int i = 0; i < CLIENTS; i++) {
		int client = listening_connect(&listening);
		char sent = (char)('a' + i), got = 0;

		CHECK_EQUAL(send(client, &sent, 1, 0), 1);
		CHECK(test_poll(client, POLLIN, TEST_DEADLINE_MS));
		CHECK_EQUAL(recv(client, &got, 1, 0), 1);
		CHECK_EQUAL(got, sent);
		stream_expect_end(client);
		close(client);
	}
	CHECK(test_has_ended(left, TEST_DEADLINE_MS));
	CHECK_EQUAL(listening_try(&listening), -1);
	CHECK_EQUAL(errno, ECONNREFUSED);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	check(LISTENING_TCP);
	check(LISTENING_UNIX);
	node_stop(&node);
	return test_end();
}
