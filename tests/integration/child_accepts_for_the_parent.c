/* SPDX-License-Identifier: MIT */
/*
 * Claim: a listening socket of TCP, TCP over IPv6, unix stream or unix seqpacket that the parent leaves to
 * the child is served by it: poll(), accept() and what clients and child send and close work as at home,
 * and after the child's end nobody listens any more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

#define CLIENTS 3
#define BYTES 200000u
#define PIECE 10000u

static struct node node;
static unsigned char sent[BYTES], got[BYTES];

/* Sends all in pieces, and gets each back. */
static _Noreturn void be_a_client(const struct listening *listening)
{
	int fd = listening_connect(listening);

	for (size_t at = 0; at < BYTES; at += PIECE) {
		CHECK_EQUAL(send(fd, sent + at, PIECE, 0), PIECE);
		CHECK_EQUAL(recv(fd, got, PIECE, MSG_WAITALL), PIECE);
		CHECK(!memcmp(got, sent + at, PIECE));
	}
	CHECK_CALL(shutdown(fd, SHUT_WR));
	CHECK_EQUAL(recv(fd, got, 1, 0), 0);
	_exit(0);
}

static void serve(int fd)
{
	ssize_t count;

	while ((count = CHECK_CALL(recv(fd, got, sizeof(got), 0))) > 0)
		CHECK_EQUAL(send(fd, got, (size_t)count, 0), count);
	close(fd);
}

/* Before any client there is. */
static void expect_listener(const struct listening *listening)
{
	socklen_t bytes = sizeof(int);
	int value = 0, flags = CHECK_CALL(fcntl(listening->fd, F_GETFL));

	CHECK_CALL(getsockopt(listening->fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &bytes));
	CHECK_EQUAL(value, 1);
	CHECK_CALL(getsockopt(listening->fd, SOL_SOCKET, SO_TYPE, &value, &bytes));
	CHECK_EQUAL(value, listening->type);
	CHECK_EQUAL(flags & O_NONBLOCK, 0);
	CHECK(!test_poll(listening->fd, POLLIN, 0));
	CHECK_CALL(fcntl(listening->fd, F_SETFL, flags | O_NONBLOCK));
	CHECK_EQUAL(accept(listening->fd, NULL, NULL), -1);
	CHECK_EQUAL(errno, EAGAIN);
	CHECK_CALL(fcntl(listening->fd, F_SETFL, flags));
}

static void check(enum listening_kind kind)
{
	struct listening listening;
	pid_t pid, clients[CLIENTS];
	int ready[2];

	if (!listening_start(&listening, kind)) {
		printf("kind %d is not there\n", kind);
		return;
	}
	CHECK_CALL(pipe(ready));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		expect_listener(&listening);
		stream_tell(ready[1]);
		for (int i = 0; i < CLIENTS; i++)
			serve(CHECK_CALL(accept(listening.fd, NULL, NULL)));
		_exit(42);
	}
	close(listening.fd);
	stream_hear(ready[0]);
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = CHECK_CALL(fork());
		if (!clients[i])
			be_a_client(&listening);
	}
	for (int i = 0; i < CLIENTS; i++)
		test_expect_exit(clients[i], 0);
	test_expect_exit(pid, 42);
	CHECK_EQUAL(listening_try(&listening), -1);
	CHECK_EQUAL(errno, ECONNREFUSED);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	test_begin();
	test_fill(sent, sizeof(sent), 28);
	node_start(&node, NULL);
	for (enum listening_kind kind = LISTENING_TCP; kind < LISTENING_KINDS; kind++)
		check(kind);
	node_stop(&node);
	return test_end();
}
