/* SPDX-License-Identifier: MIT */
/*
 * Claim: what the child writes into a pipe of its parent the parent reads, whether or not both
 * close the ends they do not use; end of file comes when the last writer has closed.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define BYTES (1ul << 20)

static unsigned char sent[BYTES], got[BYTES + 1];

/* As in a hundred programs; nobody takes care of the ends. */
static void check_careless(const struct node *node)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		stream_write_text(ends[1], "hello");
		_exit(0);
	}
	stream_expect_text(ends[0], "hello");
	test_expect_exit(pid, 0);
	stream_expect_nothing(ends[0]); /* not the end: we could write */
	close(ends[1]);
	stream_expect_end(ends[0]);
	close(ends[0]);
}

static void check_careful(const struct node *node)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		close(ends[0]);
		test_write(ends[1], sent, BYTES);
		_exit(0);
	}
	close(ends[1]);
	CHECK_EQUAL(test_read(ends[0], got, BYTES + 1), BYTES);
	CHECK(!memcmp(got, sent, BYTES));
	test_expect_exit(pid, 0);
	close(ends[0]);
}

/* A child that has closed its end and goes on is no writer any more. */
static void check_living_child(const struct node *node)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		stream_write_text(ends[1], "that is all");
		close(ends[1]);
		for (;;)
			pause();
	}
	close(ends[1]);
	stream_expect_text(ends[0], "that is all");
	stream_expect_end(ends[0]);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	close(ends[0]);
}

/* The parent may go on writing into the same pipe. */
static void check_two_writers(const struct node *node)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		stream_write_text(ends[1], "child");
		_exit(0);
	}
	test_expect_exit(pid, 0);
	stream_write_text(ends[1], "parent");
	close(ends[1]);
	stream_expect_text(ends[0], "childparent");
	stream_expect_end(ends[0]);
	close(ends[0]);
}

int main(void)
{
	struct node node;

	test_begin();
	test_fill(sent, BYTES, 11);
	node_start(&node, NULL);
	check_careless(&node);
	check_careful(&node);
	check_living_child(&node);
	check_two_writers(&node);
	node_stop(&node);
	return test_end();
}
