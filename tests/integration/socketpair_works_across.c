/* SPDX-License-Identifier: MIT */
/*
 * Claim: a stream socketpair between parent and child carries both directions; shutdown() on either
 * side ends one of them and not the other; the child's close() leaves a copy of its parent's open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define BYTES (1ul << 20)

static struct node node;
static unsigned char sent[BYTES], got[BYTES];

static int ours, theirs; /* the ends of the pair */

/* In the child with its own end only; in the parent with its own, or with both. */
static pid_t move_returns_twice(bool keep_both)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	ours = ends[0];
	theirs = ends[1];
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		close(ours);
	else if (!keep_both)
		close(theirs);
	return pid;
}

static void check_both_directions(void)
{
	pid_t pid = move_returns_twice(false);

	if (!pid) {
		CHECK_EQUAL(test_read(theirs, got, BYTES), BYTES);
		CHECK(!memcmp(got, sent, BYTES));
		test_write(theirs, got, BYTES);
		_exit(42);
	}
	test_write(ours, sent, BYTES);
	CHECK_EQUAL(test_read(ours, got, BYTES), BYTES);
	CHECK(!memcmp(got, sent, BYTES));
	stream_expect_end(ours);
	test_expect_exit(pid, 42);
	close(ours);
}

static void check_shutdown_by_child(bool keep_both)
{
	pid_t pid = move_returns_twice(keep_both);

	if (!pid) {
		stream_write_text(theirs, "last words");
		CHECK_CALL(shutdown(theirs, SHUT_WR));
		stream_expect_text(theirs, "an answer");
		stream_expect_text(theirs, "and another");
		stream_expect_end(theirs);
		_exit(42);
	}
	stream_expect_text(ours, "last words");
	stream_expect_end(ours);
	stream_write_text(ours, "an answer");
	stream_write_text(ours, "and another");
	CHECK_CALL(shutdown(ours, SHUT_WR));
	test_expect_exit(pid, 42);
	close(ours);
	if (keep_both)
		close(theirs);
}

static void check_shutdown_by_parent(void)
{
	pid_t pid = move_returns_twice(false);

	if (!pid) {
		stream_expect_text(theirs, "last words");
		stream_expect_end(theirs);
		stream_write_text(theirs, "an answer");
		stream_write_text(theirs, "and another");
		_exit(42);
	}
	stream_write_text(ours, "last words");
	CHECK_CALL(shutdown(ours, SHUT_WR));
	stream_expect_text(ours, "an answer");
	stream_expect_text(ours, "and another");
	stream_expect_end(ours);
	test_expect_exit(pid, 42);
	close(ours);
}

static void check_close_by_parent(void)
{
	pid_t pid = move_returns_twice(false);

	if (!pid) {
		stream_expect_text(theirs, "last words");
		stream_expect_end(theirs);
		CHECK(test_poll(theirs, 0, TEST_DEADLINE_MS)); /* POLLHUP */
		CHECK_EQUAL(send(theirs, "x", 1, MSG_NOSIGNAL), -1);
		CHECK_EQUAL(errno, EPIPE);
		_exit(42);
	}
	stream_write_text(ours, "last words");
	close(ours);
	test_expect_exit(pid, 42);
}

/* Another process here, with a copy of the child's end, still writes to us and reads from us. */
static void check_copy_survives(bool child_lives)
{
	pid_t pid = move_returns_twice(true), local;

	if (!pid) {
		stream_expect_text(theirs, "to the child");
		stream_write_text(theirs, "from the child");
		close(theirs);
		while (child_lives)
			pause();
		_exit(0);
	}
	stream_write_text(ours, "to the child");
	stream_expect_text(ours, "from the child");
	if (child_lives)
		stream_expect_nothing(ours);
	else
		test_expect_exit(pid, 0);
	local = CHECK_CALL(fork());
	if (!local) {
		stream_write_text(theirs, "from a local one");
		stream_expect_text(theirs, "to a local one");
		_exit(0);
	}
	close(theirs);
	stream_expect_text(ours, "from a local one");
	stream_write_text(ours, "to a local one");
	test_expect_exit(local, 0);
	stream_expect_end(ours);
	if (child_lives) {
		CHECK_CALL(kill(pid, SIGTERM));
		test_expect_signal(pid, SIGTERM);
	}
	close(ours);
}

int main(void)
{
	test_begin();
	test_fill(sent, BYTES, 16);
	node_start(&node, NULL);
	check_both_directions();
	check_shutdown_by_child(false);
	check_shutdown_by_child(true);
	check_shutdown_by_parent();
	check_close_by_parent();
	check_copy_survives(false);
	check_copy_survives(true);
	node_stop(&node);
	return test_end();
}
