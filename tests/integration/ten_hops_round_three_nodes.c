/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child can move on from node to node, ten hops round three of them and so back to the first.
 * Pipes lead through all the relays, a megabyte in each direction; the statuses come home one by one; the last
 * process has the mappings and descriptors of the first, and nothing is left on any node.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/network.h"
#include "tests/support/stream.h"

#define NODES 3
#define HOPS 10
#define BYTES (1ul << 20)
#define PIECE_BYTES 4096u

static struct network network;
static struct footprint first, now;
static unsigned char piece[PIECE_BYTES], expected[PIECE_BYTES];
static int up[2], down[2];

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

/* A child is where its server is. */
static void check_place(int number)
{
	const struct node *node = &network.nodes[(number - 1) % NODES];
	char path[64], here[64] = "", there[64] = "";

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)node->pid);
	CHECK_CALL(readlink(path, there, sizeof(there) - 1));
	CHECK_CALL(readlink("/proc/self/ns/net", here, sizeof(here) - 1));
	CHECK_TEXT(here, there);
}

static void check_footprint(int number)
{
	footprint_take(&now);
	if (number == 1)
		first = now;
	for (int fd = 0; fd < FOOTPRINT_FDS; fd++)
		CHECK_EQUAL(now.fds[fd][0] != '\0', first.fds[fd][0] != '\0');
	footprint_expect_maps(&now, &first);
}

static void be_the_last(void)
{
	stream_expect_text(down[0], "is anybody there?");
	stream_write_text(up[1], "ten hops away");
	expect_all(down[0], 1);
	write_all(up[1], 2);
	stream_expect_end(down[0]);
}

/* The child that has made so many hops; its exit status, which is their number. */
static int be_the_child(int number)
{
	pid_t ghost;

	check_place(number);
	check_footprint(number);
	if (number == HOPS) {
		be_the_last();
		return number;
	}
	ghost = network_move_returns_twice(&network, (unsigned)number % NODES, 0);
	if (!ghost)
		_exit(be_the_child(number + 1));
	test_expect_exit(ghost, number + 1);
	dprintf(up[1], "%d\n", number);
	return number;
}

int main(void)
{
	struct node_load loads[NODES];
	pid_t ghost;

	test_begin();
	network_start_anywhere(&network, NODES, NULL);
	for (unsigned i = 0; i < NODES; i++) {
		ghost = network_move_returns_twice(&network, i, 0);
		if (!ghost)
			_exit(0);
		test_expect_exit(ghost, 0);
		loads[i] = node_settle(&network.nodes[i]);
	}
	CHECK_CALL(pipe(up));
	CHECK_CALL(pipe(down));
	ghost = network_move_returns_twice(&network, 0, 0);
	if (!ghost) {
		close(up[0]);
		close(down[1]);
		_exit(be_the_child(1));
	}
	close(up[1]);
	close(down[0]);
	stream_write_text(down[1], "is anybody there?");
	stream_expect_text(up[0], "ten hops away");
	write_all(down[1], 1);
	expect_all(up[0], 2);
	close(down[1]);
	for (int number = HOPS - 1; number; number--)
		CHECK_EQUAL(test_read_number(up[0]), number);
	test_expect_exit(ghost, 1);
	stream_expect_end(up[0]);
	for (unsigned i = 0; i < NODES; i++)
		node_expect_load(&network.nodes[i], loads[i]);
	network_stop(&network);
	return test_end();
}
