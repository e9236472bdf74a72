/* SPDX-License-Identifier: MIT */
/*
 * Claim: when a child ends its status comes home at once, while a daemon that it has left goes on with
 * the child's streams in both directions, as after fork(): no byte is lost, and end of file comes when
 * the daemon ends.  Nothing is left then, at home or on the node.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define LIMIT_BYTES (2u << 20)
#define BYTES (1ul << 20) /* more than is under way */
#define PIECE_BYTES 4096u
#define LAST_BYTES (16ul << 20) /* more than any window */

static unsigned char piece[PIECE_BYTES], expected[PIECE_BYTES];
static unsigned char last[LAST_BYTES], last_read[LAST_BYTES];

static void write_all(int fd, uint64_t seed)
{
	for (size_t i = 0; i < BYTES / PIECE_BYTES; i++) {
		test_fill(piece, sizeof(piece), seed + i);
		test_write(fd, piece, sizeof(piece));
	}
}

static void expect_all(int fd, uint64_t seed)
{
	for (size_t i = 0; i < BYTES / PIECE_BYTES; i++) {
		CHECK_EQUAL(test_read(fd, piece, sizeof(piece)), sizeof(piece));
		test_fill(expected, sizeof(expected), seed + i);
		CHECK(!memcmp(piece, expected, sizeof(piece)));
	}
}

static _Noreturn void be_the_daemon(int in, int out, int talk, int own)
{
	setsid();
	if (fork())
		_exit(0);
	dprintf(out, "%d\n", (int)getpid());
	stream_expect_text(in, "your parent has ended");
	write_all(out, 1);
	expect_all(in, 2);
	stream_expect_text(talk, "hello");
	stream_write_text(talk, "and good bye");
	stream_expect_end(talk);
	stream_expect_end(in);
	/* what it writes last fills all buffers on the way, and its own pipe, when it ends */
	stream_set_nonblocking(out, true);
	dprintf(own, "%zu\n", stream_fill(out, last, sizeof(last)));
	_exit(0);
}

/* What it has written itself comes before its status, whoever holds the other end. */
static _Noreturn void be_the_child(int in, int out, int talk, int own)
{
	pid_t pid = fork();

	if (!pid)
		be_the_daemon(in, out, talk, own);
	test_wait(pid);
	write_all(own, 3);
	_exit(42);
}

int main(void)
{
	int up[2], down[2], talk[2], own[2];
	pid_t ghost, daemon, stand_ins[4];
	struct node_load load;
	struct node node;
	size_t bytes;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	CHECK_CALL(pipe(up));
	CHECK_CALL(pipe(down));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, talk));
	CHECK_CALL(pipe(own)); /* the daemon will hold that as well */
	test_fill(last, sizeof(last), 4);
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		close(up[0]);
		close(down[1]);
		close(talk[0]);
		close(own[0]);
		be_the_child(down[0], up[1], talk[1], own[1]);
	}
	close(up[1]);
	close(down[0]);
	close(talk[1]);
	close(own[1]);
	daemon = (pid_t)test_read_number(up[0]);
	CHECK(!test_has_ended(ghost, 0));
	expect_all(own[0], 3);
	test_expect_exit(ghost, 42);
	CHECK_EQUAL(process_find_ghosts(stand_ins, 4), 1);
	CHECK(stand_ins[0] != ghost);
	CHECK_AT_MOST(process_cost(stand_ins[0]).resident_bytes, LIMIT_BYTES);
	stream_expect_nothing(up[0]);
	stream_write_text(down[1], "your parent has ended");
	expect_all(up[0], 1);
	write_all(down[1], 2);
	stream_write_text(talk[0], "hello");
	stream_expect_text(talk[0], "and good bye");
	CHECK(!test_has_ended(daemon, 0));
	close(talk[0]);
	close(down[1]);
	bytes = (size_t)test_read_number(own[0]);
	CHECK_AT_MOST(bytes, sizeof(last) - 1);
	CHECK(test_has_ended(daemon, TEST_DEADLINE_MS));
	CHECK(!test_has_ended(stand_ins[0], STREAM_QUIET_MS));
	CHECK_EQUAL(test_read(up[0], last_read, bytes), bytes);
	CHECK(!memcmp(last_read, last, bytes));
	stream_expect_end(up[0]);
	stream_expect_end(own[0]);
	test_expect_exit(stand_ins[0], 0);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
