/* SPDX-License-Identifier: MIT */
/*
 * Claim: as from a pipe, the child takes from a unix stream socket no more than it reads, also when
 * it reads a part of what was sent in one piece; the rest is there for the next reader.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define REST "two\nthree\n"

static struct node node;

static void expect_rest(int fd)
{
	char rest[64];
	ssize_t count;

	CHECK(test_poll(fd, POLLIN, 0));
	count = CHECK_CALL(read(fd, rest, sizeof(rest) - 1));
	rest[count] = '\0';
	CHECK_TEXT(rest, REST);
	stream_expect_nothing(fd);
}

/* The child reads its line byte by byte and tells; it ends before the parent looks, or after.  It ends only
 * when it has been heard: what is in a socket that is closed nobody can count any more. */
static void check(bool is_input, bool lives)
{
	int ends[2], said[2], heard[2], reader;
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	CHECK_CALL(pipe(said));
	CHECK_CALL(pipe(heard));
	reader = ends[0];
	if (is_input) {
		stream_set_input(reader);
		reader = STDIN_FILENO;
	}
	stream_write_text(ends[1], "one\n" REST);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		for (const char *at = "one\n"; *at; at++)
			stream_expect_text(reader, (char[]){ *at, '\0' });
		stream_tell(said[1]);
		stream_hear(heard[0]);
		while (lives)
			pause();
		_exit(42);
	}
	stream_hear(said[0]);
	stream_tell(heard[1]);
	if (!lives)
		test_expect_exit(pid, 42);
	expect_rest(reader);
	if (lives) {
		CHECK_CALL(kill(pid, SIGTERM));
		test_expect_signal(pid, SIGTERM);
	}
	stream_write_text(ends[1], "next");
	stream_expect_text(reader, "next");
	stream_expect_nothing(reader);
	if (is_input)
		stream_release_input();
	else
		close(reader);
	close(ends[1]);
	close(said[0]);
	close(said[1]);
	close(heard[0]);
	close(heard[1]);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	for (int which = 0; which < 4; which++)
		check(which & 1, which & 2);
	node_stop(&node);
	return test_end();
}
