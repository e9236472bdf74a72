/* SPDX-License-Identifier: MIT */
/*
 * Claim: a stream that carries much does not hold up another: a byte that is written to that one arrives
 * before the child has read a few windows more of the first, in both directions.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define BYTES (64ul << 20)
#define PIECE_BYTES 65536u
#define BYTES_BETWEEN (4ul << 20) /* bulk between one byte and the next */
/* Under way when the byte is written: the pipe at home, the window, the child's pipe, and buffers. */
#define AHEAD_BYTES (4ul << 20)

static unsigned char piece[PIECE_BYTES];

/* For each byte, how much of the bulk went before it. */
struct log {
	size_t at[BYTES / BYTES_BETWEEN];
	unsigned count;
};

static _Noreturn void fail_in_the_midst(size_t bulk)
{
	test_fail(__FILE__, __LINE__, "no progress after %zu bytes", bulk);
}

static void write_both(int bulk_fd, int byte_fd, struct log *log)
{
	for (size_t done = 0; done < BYTES; done += PIECE_BYTES) {
		if (done % BYTES_BETWEEN == 0) {
			log->at[log->count++] = done;
			stream_tell(byte_fd);
		}
		test_write(bulk_fd, piece, PIECE_BYTES);
	}
}

/* Prefers neither: each call that is ready in turn. */
static void read_both(int bulk_fd, int byte_fd, struct log *log)
{
	struct pollfd fds[2] = { { .fd = bulk_fd, .events = POLLIN },
				 { .fd = byte_fd, .events = POLLIN } };
	size_t done = 0;

	while (done < BYTES || log->count < BYTES / BYTES_BETWEEN) {
		ssize_t got = 0;

		if (poll(fds, 2, TEST_DEADLINE_MS) <= 0)
			fail_in_the_midst(done);
		if (fds[1].revents) {
			log->at[log->count++] = done;
			stream_hear(byte_fd);
		}
		if (fds[0].revents)
			got = CHECK_CALL(read(bulk_fd, piece, sizeof(piece)));
		done += (size_t)got;
		if (fds[0].revents && !got)
			fds[0].fd = -1;
	}
}

static void compare(const struct log *written, const struct log *read)
{
	CHECK_EQUAL(read->count, written->count);
	for (unsigned i = 0; i < read->count; i++)
		CHECK_AT_MOST(read->at[i], written->at[i] + AHEAD_BYTES);
}

/* The child tells over a third pipe what it has seen. */
static void check(const struct node *node, bool to_child)
{
	int bulk[2], byte[2], told[2];
	struct log here = { .count = 0 }, there = { .count = 0 };
	pid_t pid;

	CHECK_CALL(pipe(bulk));
	CHECK_CALL(pipe(byte));
	CHECK_CALL(pipe(told));
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		if (to_child)
			read_both(bulk[0], byte[0], &there);
		else
			write_both(bulk[1], byte[1], &there);
		test_write(told[1], &there, sizeof(there));
		_exit(42);
	}
	if (to_child)
		write_both(bulk[1], byte[1], &here);
	else
		read_both(bulk[0], byte[0], &here);
	CHECK_EQUAL(test_read(told[0], &there, sizeof(there)), sizeof(there));
	test_expect_exit(pid, 42);
	compare(to_child ? &here : &there, to_child ? &there : &here);
	for (int i = 0; i < 2; i++) {
		close(bulk[i]);
		close(byte[i]);
		close(told[i]);
	}
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check(&node, true);
	check(&node, false);
	node_stop(&node);
	return test_end();
}
