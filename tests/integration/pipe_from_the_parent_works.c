/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child reads what its parent writes into a pipe, and end of file when the parent closes
 * it; when no reader is left, the parent's write is SIGPIPE and EPIPE.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define LINES 5000

static _Noreturn void read_lines(int fd)
{
	FILE *file = fdopen(fd, "r");
	char got[64], line[64];
	int count = 0;

	CHECK(file);
	for (; fgets(got, sizeof(got), file); count++) {
		snprintf(line, sizeof(line), "this is line %d\n", count);
		CHECK_TEXT(got, line);
	}
	CHECK(feof(file));
	CHECK_EQUAL(count, LINES);
	_exit(42);
}

static void expect_broken_pipe(int fd)
{
	sigset_t before;

	signals_block_all(&before);
	CHECK_EQUAL(write(fd, "x", 1), -1);
	CHECK_EQUAL(errno, EPIPE);
	CHECK_EQUAL(signals_take(SIGPIPE).si_pid, getpid());
	signals_restore(&before);
}

static void check_lines(const struct node *node)
{
	char line[64];
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		close(ends[1]);
		read_lines(ends[0]);
	}
	for (int i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "this is line %d\n", i);
		stream_write_text(ends[1], line);
	}
	close(ends[0]);
	close(ends[1]);
	test_expect_exit(pid, 42);
}

/* The child has ended, with bytes unread, and we have closed our read end. */
static void check_ended_reader(const struct node *node)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		stream_expect_text(ends[0], "read");
		_exit(42);
	}
	stream_write_text(ends[1], "read and unread");
	test_expect_exit(pid, 42);
	stream_write_text(ends[1], "our own end still takes it");
	close(ends[0]);
	expect_broken_pipe(ends[1]);
	close(ends[1]);
}

/* The child has closed its read end and goes on. */
static void check_closing_reader(const struct node *node)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		stream_expect_text(ends[0], "read");
		close(ends[0]);
		for (;;)
			pause();
	}
	close(ends[0]);
	CHECK(!test_poll(ends[1], 0, 0));
	stream_write_text(ends[1], "read");
	CHECK(test_poll(ends[1], 0, TEST_DEADLINE_MS)); /* POLLERR */
	expect_broken_pipe(ends[1]);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	close(ends[1]);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check_lines(&node);
	check_ended_reader(&node);
	check_closing_reader(&node);
	node_stop(&node);
	return test_end();
}
