/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child reads the caller's standard input to its end, whatever that is: a pipe that
 * somebody fills meanwhile, a file, /dev/null, a socket, or none at all.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define PIPE_BYTES (8ul << 20)
#define OTHER_BYTES ((1ul << 20) + 12345)

static struct node node;
static unsigned char *source, *got;

/* Moves a child that reads all of standard input and finds the first `bytes` of the source. */
static void move_and_read(size_t bytes)
{
	pid_t pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);

	if (!pid) {
		CHECK_EQUAL(test_read(STDIN_FILENO, got, PIPE_BYTES + 1), bytes);
		CHECK_EQUAL(test_digest(got, bytes), test_digest(source, bytes));
		_exit(42);
	}
	test_expect_exit(pid, 42);
}

/* A process that writes into one end; the other becomes standard input. */
static pid_t feed(const int ends[2], size_t bytes)
{
	pid_t writer = CHECK_CALL(fork());

	if (!writer) {
		close(ends[0]);
		test_write(ends[1], source, bytes);
		_exit(0);
	}
	test_guard_process(writer);
	close(ends[1]);
	stream_set_input(ends[0]);
	return writer;
}

static void check_stream(bool is_socket, size_t bytes)
{
	int ends[2];
	pid_t writer;

	if (is_socket)
		CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	else
		CHECK_CALL(pipe(ends));
	writer = feed(ends, bytes);
	move_and_read(bytes);
	stream_release_input();
	test_expect_exit(writer, 0);
	test_forget_process(writer);
}

static void check_file(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/input", node.directory);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	test_write(fd, source, OTHER_BYTES);
	close(fd);
	stream_set_input(CHECK_CALL(open(path, O_RDONLY)));
	move_and_read(OTHER_BYTES);
	CHECK_EQUAL(lseek(STDIN_FILENO, 0, SEEK_CUR), OTHER_BYTES);
	CHECK_CALL(unlink(path));
	stream_release_input();
}

static void check_none(void)
{
	pid_t pid;

	close(STDIN_FILENO);
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		char byte;

		CHECK_EQUAL(read(STDIN_FILENO, &byte, 1), -1);
		CHECK_EQUAL(errno, EBADF);
		_exit(42);
	}
	test_expect_exit(pid, 42);
	CHECK_EQUAL(open("/dev/null", O_RDONLY), STDIN_FILENO);
}

int main(void)
{
	test_begin();
	source = malloc(PIPE_BYTES);
	got = malloc(PIPE_BYTES + 1);
	CHECK(source && got);
	test_fill(source, PIPE_BYTES, 18);
	node_start(&node, NULL);
	check_stream(false, PIPE_BYTES);
	check_stream(false, 1);
	check_stream(true, OTHER_BYTES);
	check_file();
	stream_release_input();
	move_and_read(0);
	check_none();
	node_stop(&node);
	return test_end();
}
