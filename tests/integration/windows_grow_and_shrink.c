/* SPDX-License-Identifier: MIT */
/*
 * Claim: a pipe from which the child reads much, or to which it writes much, is made larger, for at most
 * four at a time; a pipe that carries little, or that the child does not read, is not.  Ghost and
 * session stay small meanwhile, and when the stream rests all is as it was before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define PIPES 6u
#define GROWN_MAX 4u /* doc/protocol.txt, 5 */
#define PIECE_BYTES (1ul << 20)
#define ROUNDS 12u
#define IDLE_BYTES (2u << 20)
/* Besides: the windows of four streams, and what the ghost copies through. */
#define BUSY_SESSION_BYTES (IDLE_BYTES + GROWN_MAX * (1u << 20) + (1u << 20))
#define BUSY_GHOST_BYTES (IDLE_BYTES + (1u << 19))
#define LOOK_MS 20

static unsigned char *piece;
static int pipes[PIPES][2], up[2], small[2], unread[2];
static int pipe_bytes; /* of a new pipe */

static int size_of(const int ends[2])
{
	return CHECK_CALL(fcntl(ends[1], F_GETPIPE_SZ));
}

static unsigned count_grown(void)
{
	unsigned grown = 0;

	for (unsigned i = 0; i < PIPES; i++)
		grown += size_of(pipes[i]) > pipe_bytes;
	return grown + (size_of(up) > pipe_bytes);
}

/* Reads a piece of each pipe, or writes one, as it is told over the small pipe; and says so. */
static _Noreturn void be_the_child(int out)
{
	char command;

	dprintf(out, "%d\n", (int)getpid());
	for (;;) {
		CHECK_EQUAL(test_read(small[0], &command, 1), 1);
		for (unsigned i = 0; i < PIPES && command == 'r'; i++)
			CHECK_EQUAL(test_read(pipes[i][0], piece, PIECE_BYTES), PIECE_BYTES);
		if (command == 'w')
			test_write(up[1], piece, PIECE_BYTES);
		stream_tell(out);
	}
}

static void pass_pieces(char command, int heard)
{
	test_write(small[1], &command, 1);
	for (unsigned i = 0; i < PIPES && command == 'r'; i++)
		test_write(pipes[i][1], piece, PIECE_BYTES);
	if (command == 'w')
		CHECK_EQUAL(test_read(up[0], piece, PIECE_BYTES), PIECE_BYTES);
	stream_hear(heard);
}

/* The most pipes that were large at once. */
static unsigned load(char command, int heard, pid_t ghost, pid_t session)
{
	unsigned most = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		pass_pieces(command, heard);
		if (count_grown() > most)
			most = count_grown();
		CHECK_AT_MOST(process_cost(ghost).resident_bytes, BUSY_GHOST_BYTES);
		if (!process_is_sanitized(session))
			CHECK_AT_MOST(process_cost(session).resident_bytes, BUSY_SESSION_BYTES);
	}
	return most;
}

static void await_rest(pid_t ghost, pid_t session)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;

	while (count_grown() || process_cost(ghost).resident_bytes > IDLE_BYTES ||
	       (!process_is_sanitized(session) &&
		process_cost(session).resident_bytes > IDLE_BYTES)) {
		if (test_now_ms() > deadline_ms)
			test_fail(__FILE__, __LINE__,
				  "%u pipes are large, ghost %llu bytes, session %llu",
				  count_grown(),
				  (unsigned long long)process_cost(ghost).resident_bytes,
				  (unsigned long long)process_cost(session).resident_bytes);
		poll(NULL, 0, LOOK_MS);
	}
}

int main(void)
{
	pid_t ghost, child, session;
	struct node node;
	unsigned most;
	int out;

	test_begin();
	piece = malloc(PIECE_BYTES);
	CHECK(piece);
	test_fill(piece, PIECE_BYTES, 5);
	node_start(&node, NULL);
	out = test_pipe_output();
	for (unsigned i = 0; i < PIPES; i++)
		CHECK_CALL(pipe(pipes[i]));
	CHECK_CALL(pipe(up));
	CHECK_CALL(pipe(small));
	CHECK_CALL(pipe(unread));
	pipe_bytes = size_of(small);
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost)
		be_the_child(1);
	child = (pid_t)test_read_number(out);
	session = node_parent_of(child);
	CHECK(session > 0);
	test_write(unread[1], piece, (size_t)pipe_bytes);
	for (int turn = 0; turn < 2; turn++) { /* what was given back can be had again */
		most = load('r', out, ghost, session);
		CHECK(most > 0);
		CHECK_AT_MOST(most, GROWN_MAX);
		await_rest(ghost, session);
		CHECK_EQUAL(load('w', out, ghost, session), 1);
		await_rest(ghost, session);
	}
	CHECK_EQUAL(size_of(small), pipe_bytes);
	CHECK_EQUAL(size_of(unread), pipe_bytes);
	CHECK_CALL(kill(ghost, SIGTERM));
	test_expect_signal(ghost, SIGTERM);
	node_stop(&node);
	return test_end();
}
