/* SPDX-License-Identifier: MIT */
/*
 * Claim: O_NONBLOCK as it was at the move is the child's at its start; what either side sets later
 * is its own affair, and the relay itself never changes the original.  (After a fork it is shared.)
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define BYTES 300000ul

static struct node node;
static char block[BYTES];
static int said[2], heard[2];

static void set_both(const int fds[2], bool on)
{
	stream_set_nonblocking(fds[0], on);
	stream_set_nonblocking(fds[1], on);
}

static void expect_both(const int fds[2], bool on)
{
	CHECK_EQUAL(stream_is_nonblocking(fds[0]), on);
	CHECK_EQUAL(stream_is_nonblocking(fds[1]), on);
}

/* Reads from the first of its descriptors and writes to the second. */
static _Noreturn void be_the_child(const int theirs[2], bool on)
{
	expect_both(theirs, on);
	set_both(theirs, !on);
	stream_tell(said[1]);
	stream_hear(heard[0]);
	set_both(theirs, on);
	stream_tell(said[1]);
	stream_hear(heard[0]);
	expect_both(theirs, on);
	set_both(theirs, false);
	CHECK_EQUAL(test_read(theirs[0], block, BYTES), BYTES);
	test_write(theirs[1], block, BYTES);
	_exit(42);
}

/* We keep copies of the child's ends, to look at them. */
static void check(const int theirs[2], int to_child, int from_child, bool on)
{
	pid_t pid;

	set_both(theirs, on);
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		be_the_child(theirs, on);
	stream_hear(said[0]);
	expect_both(theirs, on); /* not as the child has set it */
	stream_tell(heard[1]);
	stream_hear(said[0]);
	set_both(theirs, !on); /* not to be seen by the child */
	stream_tell(heard[1]);
	test_write(to_child, block, BYTES);
	CHECK_EQUAL(test_read(from_child, block, BYTES), BYTES);
	expect_both(theirs, !on);
	test_expect_exit(pid, 42);
	expect_both(theirs, !on);
}

static void check_pipes(bool on)
{
	int down[2], up[2];

	CHECK_CALL(pipe(down));
	CHECK_CALL(pipe(up));
	check((int[2]){ down[0], up[1] }, down[1], up[0], on);
	for (int i = 0; i < 2; i++) {
		close(down[i]);
		close(up[i]);
	}
}

static void check_socket(bool on)
{
	int ends[2];

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	check((int[2]){ ends[0], ends[0] }, ends[1], ends[1], on);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(said));
	CHECK_CALL(pipe(heard));
	check_pipes(false);
	check_pipes(true);
	check_socket(false);
	check_socket(true);
	node_stop(&node);
	return test_end();
}
