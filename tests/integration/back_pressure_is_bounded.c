/* SPDX-License-Identifier: MIT */
/*
 * Claim: a pipe that the child does not read takes no more than a pipe, for its bytes are looked at
 * and not drained; a child whose pipe nobody reads is held up too.  Both get all in the end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define BYTES (4ul << 20)
/* The pipe at home, the credit, the child's pipe, and what the node holds in its hands. */
#define UNDER_WAY_BYTES (1ul << 20)

static struct node node;
static unsigned char *sent, *got;

/* For the writer it is as if the child's end were an ordinary one. */
static void check_unread_by_child(void)
{
	size_t room, taken;
	int ends[2], go[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	CHECK_CALL(pipe(go));
	room = (size_t)CHECK_CALL(fcntl(ends[1], F_GETPIPE_SZ));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(ends[1]);
		stream_hear(go[0]);
		CHECK_EQUAL(test_read(ends[0], got, BYTES + 1), BYTES);
		CHECK_EQUAL(test_digest(got, BYTES), test_digest(sent, BYTES));
		_exit(42);
	}
	close(ends[0]);
	stream_set_nonblocking(ends[1], true);
	taken = stream_fill(ends[1], sent, BYTES);
	CHECK_AT_MOST(taken, room);
	CHECK(taken > room / 2);
	stream_set_nonblocking(ends[1], false);
	stream_tell(go[1]);
	test_write(ends[1], sent + taken, BYTES - taken);
	close(ends[1]);
	test_expect_exit(pid, 42);
	close(go[0]);
	close(go[1]);
}

static void check_unread_by_parent(void)
{
	int ends[2], said[2];
	size_t taken;
	pid_t pid;

	CHECK_CALL(pipe(ends));
	CHECK_CALL(pipe(said));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		close(ends[0]);
		stream_set_nonblocking(ends[1], true);
		taken = stream_fill(ends[1], sent, BYTES);
		test_write(said[1], &taken, sizeof(taken));
		stream_set_nonblocking(ends[1], false);
		test_write(ends[1], sent + taken, BYTES - taken);
		_exit(42);
	}
	close(ends[1]);
	CHECK_EQUAL(test_read(said[0], &taken, sizeof(taken)), sizeof(taken));
	CHECK_AT_MOST(taken, UNDER_WAY_BYTES);
	CHECK(taken > 0);
	CHECK_EQUAL(test_read(ends[0], got, BYTES + 1), BYTES);
	CHECK_EQUAL(test_digest(got, BYTES), test_digest(sent, BYTES));
	test_expect_exit(pid, 42);
	close(ends[0]);
	close(said[0]);
	close(said[1]);
}

/*
 * What a child has written and nobody reads holds up neither a signal to the child, nor its end
 * once the parent has closed the pipe, although the child itself never closed its read end.
 */
static void check_signal_passes(void)
{
	int ends[2], said[2];
	sigset_t user, before;
	pid_t pid;

	CHECK_CALL(pipe(ends));
	CHECK_CALL(pipe(said));
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, &before));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		stream_set_nonblocking(ends[1], true);
		stream_fill(ends[1], sent, BYTES);
		stream_tell(said[1]);
		test_await_signal(SIGUSR1);
		stream_tell(said[1]);
		_exit(42);
	}
	CHECK_CALL(sigprocmask(SIG_SETMASK, &before, NULL));
	stream_hear(said[0]);
	CHECK_CALL(kill(pid, SIGUSR1));
	stream_hear(said[0]);
	close(ends[0]);
	close(ends[1]);
	test_expect_exit(pid, 42);
	close(said[0]);
	close(said[1]);
}

int main(void)
{
	test_begin();
	sent = malloc(BYTES);
	got = malloc(BYTES + 1);
	CHECK(sent && got);
	test_fill(sent, BYTES, 19);
	node_start(&node, NULL);
	check_unread_by_child();
	check_unread_by_parent();
	check_signal_passes();
	node_stop(&node);
	return test_end();
}
