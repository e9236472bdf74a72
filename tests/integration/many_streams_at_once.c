/* SPDX-License-Identifier: MIT */
/*
 * Claim: a hundred pipes from the child and a hundred to it carry their bytes at once, each its
 * own; one that nobody reads, in either direction, holds up none of the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define PIPES 100u
#define FLOWS (2 * PIPES)
#define BYTES (256ul << 10)
#define SLOW_BYTES (2ul << 20) /* of the two that nobody reads at first: more than is under way */
#define PIECE_BYTES 16384u

struct flow {
	int fd;
	unsigned id;
	bool writes;
	bool idle; /* not to be served */
	bool slow; /* served, but not waited for */
	bool ended;
	size_t bytes, done;
};

static int up[PIPES][2], down[PIPES][2];
static struct flow flows[FLOWS];

/* Every byte depends on the stream and on its place. */
static void make_piece(unsigned char *piece, const struct flow *flow, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		size_t at = flow->done + i;

		piece[i] = (unsigned char)(flow->id * 37 + at + (at >> 8) * 5);
	}
}

static void end_flow(struct flow *flow)
{
	CHECK_EQUAL(flow->done, flow->bytes);
	close(flow->fd);
	flow->ended = true;
}

static void write_some(struct flow *flow)
{
	unsigned char piece[PIECE_BYTES];
	size_t left = flow->bytes - flow->done;
	size_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
	ssize_t count;

	make_piece(piece, flow, bytes);
	count = write(flow->fd, piece, bytes);
	if (count < 0) {
		CHECK_EQUAL(errno, EAGAIN);
		return;
	}
	flow->done += (size_t)count;
	if (flow->done == flow->bytes)
		end_flow(flow);
}

static void read_some(struct flow *flow)
{
	unsigned char piece[PIECE_BYTES], expected[PIECE_BYTES];
	ssize_t count = read(flow->fd, piece, sizeof(piece));

	if (count < 0) {
		CHECK_EQUAL(errno, EAGAIN);
		return;
	}
	make_piece(expected, flow, (size_t)count);
	CHECK(!memcmp(piece, expected, (size_t)count));
	flow->done += (size_t)count;
	if (!count)
		end_flow(flow);
}

/* Serves all until those that are neither idle nor slow have ended. */
static void pump(void)
{
	struct pollfd fds[FLOWS];
	unsigned left;

	for (;;) {
		left = 0;
		for (unsigned i = 0; i < FLOWS; i++) {
			struct flow *flow = &flows[i];

			fds[i].fd = flow->ended || flow->idle ? -1 : flow->fd;
			fds[i].events = flow->writes ? POLLOUT : POLLIN;
			left += !flow->ended && !flow->idle && !flow->slow;
		}
		if (!left)
			return;
		if (poll(fds, FLOWS, TEST_DEADLINE_MS) <= 0)
			test_fail(__FILE__, __LINE__, "%u streams make no progress", left);
		for (unsigned i = 0; i < FLOWS; i++) {
			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			if (flows[i].writes)
				write_some(&flows[i]);
			else
				read_some(&flows[i]);
		}
	}
}

/* The first PIPES flows go up, from the child. */
static void take_ends(bool in_child)
{
	for (unsigned i = 0; i < FLOWS; i++) {
		int *ends = i < PIPES ? up[i] : down[i - PIPES];
		bool writes = (i < PIPES) == in_child;

		flows[i] = (struct flow){ .fd = ends[writes], .id = i, .writes = writes };
		flows[i].bytes = BYTES;
		close(ends[!writes]);
		stream_set_nonblocking(flows[i].fd, true);
	}
	/* the reader of the first one of each direction waits until all others are done */
	for (unsigned i = 0; i < FLOWS; i += PIPES) {
		flows[i].idle = !flows[i].writes;
		flows[i].slow = flows[i].writes;
		flows[i].bytes = SLOW_BYTES;
	}
}

static void pump_the_rest(void)
{
	for (unsigned i = 0; i < FLOWS; i++)
		flows[i].idle = flows[i].slow = false;
	pump();
}

int main(void)
{
	struct node node;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	for (unsigned i = 0; i < PIPES; i++) {
		CHECK_CALL(pipe(up[i]));
		CHECK_CALL(pipe(down[i]));
	}
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		take_ends(true);
		pump();
		CHECK(!flows[0].ended); /* nobody has read it */
		pump_the_rest();
		_exit(42);
	}
	take_ends(false);
	pump();
	CHECK(!flows[PIPES].ended);
	pump_the_rest();
	test_expect_exit(pid, 42);
	node_stop(&node);
	return test_end();
}
