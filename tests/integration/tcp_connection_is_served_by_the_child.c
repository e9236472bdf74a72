/* SPDX-License-Identifier: MIT */
/*
 * Claim: a server that accepts a TCP connection, moves and closes its copy lets the child serve it:
 * a client gets its mebibyte back, and end of file when the child closes the connection.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/proxy.h"

#define BYTES (1ul << 20)

static unsigned char sent[BYTES], got[BYTES + 1];

/* Sends from a process of its own: an echo wants to be read meanwhile. */
static _Noreturn void be_the_client(unsigned port, bool half_close)
{
	int fd = proxy_connect(port);
	pid_t writer = CHECK_CALL(fork());

	if (!writer) {
		test_write(fd, sent, BYTES);
		if (half_close)
			CHECK_CALL(shutdown(fd, SHUT_WR));
		_exit(0);
	}
	CHECK_EQUAL(test_read(fd, got, BYTES + 1), BYTES);
	CHECK(!memcmp(got, sent, BYTES));
	test_expect_exit(writer, 0);
	_exit(0);
}

/* Closes when it has echoed all, or at the client's end of file; then it lives on. */
static _Noreturn void serve(int fd, bool half_close)
{
	static char piece[16384];
	size_t total = 0;

	while (total < BYTES || half_close) {
		size_t left = half_close ? sizeof(piece) : BYTES - total;
		ssize_t count =
			CHECK_CALL(read(fd, piece, left < sizeof(piece) ? left : sizeof(piece)));

		if (!count)
			break;
		test_write(fd, piece, (size_t)count);
		total += (size_t)count;
	}
	CHECK_EQUAL(total, BYTES);
	close(fd);
	for (;;)
		pause();
}

static void check(const struct node *node, bool half_close)
{
	unsigned port;
	int listener = proxy_listen(&port), connection;
	pid_t client, pid;

	client = CHECK_CALL(fork());
	if (!client) {
		close(listener);
		be_the_client(port, half_close);
	}
	test_guard_process(client);
	CHECK(test_poll(listener, POLLIN, TEST_DEADLINE_MS));
	connection = CHECK_CALL(accept(listener, NULL, NULL));
	close(listener); /* a listening socket does not travel */
	pid = node_move_returns_twice(node, 0);
	if (!pid)
		serve(connection, half_close);
	close(connection);
	test_expect_exit(client, 0);
	test_forget_process(client);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
}

int main(void)
{
	struct node node;

	test_begin();
	test_fill(sent, BYTES, 17);
	node_start(&node, NULL);
	check(&node, false);
	check(&node, true);
	node_stop(&node);
	return test_end();
}
