/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child takes from a pipe, or from a file that is its standard input, no more than it
 * reads: what it leaves is there for the next reader as soon as the child has said so or ended,
 * whole and once.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define TEXT "one\ntwo\nthree\n"
#define FIRST "one\n"
#define REST "two\nthree\n"

static struct node node;

/* As read(1) of a shell does, which must not take more than its line. */
static void read_first_line(int fd)
{
	char line[16];
	size_t have = 0;

	do
		CHECK_EQUAL(test_read(fd, &line[have], 1), 1);
	while (line[have++] != '\n');
	line[have] = '\0';
	CHECK_TEXT(line, FIRST);
}

/* The rest is there now, complete, and nothing else. */
static void expect_rest(int fd)
{
	char got[64];
	ssize_t count;

	CHECK(test_poll(fd, POLLIN, 0));
	count = CHECK_CALL(read(fd, got, sizeof(got) - 1));
	got[count] = '\0';
	CHECK_TEXT(got, REST);
	stream_expect_nothing(fd);
}

/* The child exits, or it tells that it has read and lives on until the parent has done so too. */
static void check(int reader, int writer, bool lives)
{
	int said[2], heard[2];
	pid_t pid;

	CHECK_CALL(pipe(said));
	CHECK_CALL(pipe(heard));
	stream_write_text(writer, TEXT);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		read_first_line(reader);
		if (lives) {
			stream_tell(said[1]);
			stream_hear(heard[0]);
		}
		_exit(42);
	}
	if (lives)
		stream_hear(said[0]);
	else
		test_expect_exit(pid, 42);
	expect_rest(reader);
	if (lives) {
		stream_tell(heard[1]);
		test_expect_exit(pid, 42);
	}
	/* nothing was taken for the child that it has not read, and nothing came back */
	stream_write_text(writer, "next");
	stream_expect_text(reader, "next");
	stream_expect_nothing(reader);
	close(said[0]);
	close(said[1]);
	close(heard[0]);
	close(heard[1]);
}

static void check_pipe(bool is_input, bool lives)
{
	int ends[2], reader;

	CHECK_CALL(pipe(ends));
	reader = ends[0];
	if (is_input) {
		stream_set_input(reader);
		reader = STDIN_FILENO;
	}
	check(reader, ends[1], lives);
	if (is_input)
		stream_release_input();
	else
		close(reader);
	close(ends[1]);
}

/* Several readers, one after the other, each in a child of its own. */
static void check_relay_race(void)
{
	static const char *const lines[] = { "one\n", "two\n", "three\n" };
	int ends[2];

	CHECK_CALL(pipe(ends));
	stream_write_text(ends[1], TEXT);
	for (int i = 0; i < 3; i++) {
		pid_t pid = node_move_returns_twice(&node, 0);

		if (!pid) {
			stream_expect_text(ends[0], lines[i]);
			_exit(42);
		}
		test_expect_exit(pid, 42);
	}
	stream_expect_nothing(ends[0]);
	close(ends[0]);
	close(ends[1]);
}

/* Standard input as a file: the offset belongs to the open file description, at home. */
static void check_file(bool lives)
{
	int said[2], heard[2];
	char path[96];
	pid_t pid;
	int fd;

	CHECK_CALL(pipe(said));
	CHECK_CALL(pipe(heard));
	snprintf(path, sizeof(path), "%s/input", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	stream_write_text(fd, "zero\n" TEXT);
	close(fd);
	stream_set_input(CHECK_CALL(open(path, O_RDONLY)));
	stream_expect_text(STDIN_FILENO, "zero\n");
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		read_first_line(STDIN_FILENO);
		stream_tell(said[1]);
		if (lives)
			stream_hear(heard[0]);
		_exit(42);
	}
	stream_hear(said[0]);
	if (!lives)
		test_expect_exit(pid, 42);
	CHECK_EQUAL(lseek(STDIN_FILENO, 0, SEEK_CUR), sizeof("zero\n" FIRST) - 1);
	stream_expect_text(STDIN_FILENO, REST);
	stream_expect_end(STDIN_FILENO);
	if (lives) {
		stream_tell(heard[1]);
		test_expect_exit(pid, 42);
	}
	stream_release_input();
	CHECK_CALL(unlink(path));
	for (int i = 0; i < 2; i++) {
		close(said[i]);
		close(heard[i]);
	}
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	for (int which = 0; which < 4; which++)
		check_pipe(which & 1, which & 2);
	check_relay_race();
	check_file(false);
	check_file(true);
	node_stop(&node);
	return test_end();
}
