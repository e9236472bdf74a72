/* SPDX-License-Identifier: MIT */
/*
 * Claim: a pipe of which another process has an end goes on being that pipe when the process moves,
 * though the process has both ends itself: what it writes the other reads, and the other way round.  So do
 * sockets, FIFOs, and pipes that are standard streams.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

static int to_child[2], from_child[2], pair[2];

/* The careless child of a hundred programs: it has both ends of both pipes, and so have we. */
static int answer(const struct node *node)
{
	stream_write_text(from_child[1], "hello ");
	mover_go(node);
	stream_expect_text(to_child[0], "question");
	stream_write_text(from_child[1], "answer");
	return 0;
}

static void check_careless(const struct node *node)
{
	pid_t pid;

	CHECK_CALL(pipe(to_child));
	CHECK_CALL(pipe(from_child));
	pid = mover_start(node, answer);
	stream_expect_text(from_child[0], "hello ");
	stream_write_text(to_child[1], "question");
	stream_expect_text(from_child[0], "answer");
	test_expect_exit(pid, 0);
	for (int i = 0; i < 2; i++) {
		close(to_child[i]);
		close(from_child[i]);
	}
}

/* Only one end is another's. */
static int write_and_peek(const struct node *node)
{
	stream_write_text(from_child[1], "home ");
	mover_go(node);
	stream_write_text(from_child[1], "node");
	stream_hear(to_child[0]);
	return 0;
}

static void check_one_end(const struct node *node)
{
	pid_t pid;

	CHECK_CALL(pipe(to_child));
	CHECK_CALL(pipe(from_child));
	pid = mover_start(node, write_and_peek);
	close(from_child[1]);
	close(to_child[0]);
	stream_expect_text(from_child[0], "home node");
	stream_tell(to_child[1]);
	test_expect_exit(pid, 0);
	stream_expect_end(from_child[0]);
	close(from_child[0]);
	close(to_child[1]);
}

/* Both ends are the process's own, in a kind that is not made again. */
static int move_socket_pair(const struct node *node)
{
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	stream_write_text(pair[0], "one ");
	mover_go(node);
	stream_write_text(pair[0], "two");
	stream_expect_text(pair[1], "one two");
	stream_write_text(pair[1], "back");
	stream_expect_text(pair[0], "back");
	CHECK_CALL(shutdown(pair[1], SHUT_WR));
	stream_expect_end(pair[0]);
	return 0;
}

static char directory[] = "/tmp/rfork-test-XXXXXX", path[64];

/* Nobody else has it open yet, but everybody can. */
static int move_fifo(const struct node *node)
{
	int ends[2];

	ends[0] = CHECK_CALL(open(path, O_RDONLY | O_NONBLOCK));
	stream_set_nonblocking(ends[0], false);
	ends[1] = CHECK_CALL(open(path, O_WRONLY));
	stream_write_text(ends[1], "one ");
	mover_go(node);
	stream_write_text(ends[1], "two ");
	stream_expect_text(ends[0], "one two ");
	stream_tell(from_child[1]);
	stream_expect_text(ends[0], "three");
	return 0;
}

static void check_fifo(const struct node *node)
{
	pid_t pid;
	int fd;

	CHECK(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/fifo", directory);
	CHECK_CALL(mkfifo(path, 0600));
	CHECK_CALL(pipe(from_child));
	pid = mover_start(node, move_fifo);
	close(from_child[1]);
	stream_hear(from_child[0]);
	fd = CHECK_CALL(open(path, O_WRONLY | O_NONBLOCK));
	stream_write_text(fd, "three");
	test_expect_exit(pid, 0);
	close(fd);
	close(from_child[0]);
	test_remove_directory(directory);
}

/* Two open file descriptions of one end. */
static int move_end_opened_twice(const struct node *node)
{
	char name[32];
	int ends[2], other;

	CHECK_CALL(pipe(ends));
	snprintf(name, sizeof(name), "/proc/self/fd/%d", ends[1]);
	other = CHECK_CALL(open(name, O_WRONLY | O_NONBLOCK));
	stream_write_text(other, "one ");
	mover_go(node);
	CHECK(stream_is_nonblocking(other) && !stream_is_nonblocking(ends[1]));
	stream_write_text(ends[1], "two ");
	stream_expect_text(ends[0], "one two ");
	stream_write_text(other, "three");
	stream_expect_text(ends[0], "three");
	return 0;
}

static int move_standard_pipe(const struct node *node)
{
	int ends[2];

	CHECK_CALL(pipe(ends));
	CHECK_CALL(dup2(ends[1], 1));
	stream_write_text(1, "one ");
	mover_go(node);
	stream_write_text(1, "two ");
	stream_write_text(ends[1], "three");
	stream_expect_text(ends[0], "one two three");
	return 0;
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check_careless(&node);
	check_one_end(&node);
	mover_run(&node, move_socket_pair);
	check_fifo(&node);
	mover_run(&node, move_end_opened_twice);
	mover_run(&node, move_standard_pipe);
	node_stop(&node);
	return test_end();
}
