/* SPDX-License-Identifier: MIT */
/*
 * Claim: a pipe both ends of which only the process itself has moves with it: with the bytes or packets
 * that are in it, its capacity, flags and duplicates, as one pipe on the node; and what is in it at home
 * stays there if the process has to stay.  Where it cannot be seen that nobody else has an end, which is
 * so for an ordinary user whose ancestors are another's, it works as well, through the ghost.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

#define CAPACITY (256 << 10)

static unsigned char sent[CAPACITY], got[CAPACITY + 1];

/* Whether both ends are of one pipe; required where everything can be seen. */
static void expect_one_pipe(const int ends[2])
{
	struct stat reader, writer;

	CHECK_CALL(fstat(ends[0], &reader));
	CHECK_CALL(fstat(ends[1], &writer));
	if (geteuid() == 0)
		CHECK_EQUAL(reader.st_ino, writer.st_ino);
}

static void expect_flags(int fd, int status_flags, int fd_flags)
{
	CHECK_EQUAL(CHECK_CALL(fcntl(fd, F_GETFL)) & (O_ACCMODE | O_NONBLOCK), status_flags);
	CHECK_EQUAL(CHECK_CALL(fcntl(fd, F_GETFD)), fd_flags);
}

static int move_bytes(const struct node *node)
{
	int ends[2], copy;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	copy = CHECK_CALL(dup(ends[1]));
	stream_set_nonblocking(ends[0], true);
	stream_write_text(ends[1], "first ");
	mover_go(node);
	expect_one_pipe(ends);
	expect_flags(ends[0], O_RDONLY | O_NONBLOCK, FD_CLOEXEC);
	expect_flags(ends[1], O_WRONLY, FD_CLOEXEC);
	expect_flags(copy, O_WRONLY, 0);
	stream_write_text(copy, "second");
	stream_expect_text(ends[0], "first second");
	/* the duplicate is one of the same description */
	stream_set_nonblocking(copy, true);
	CHECK(stream_is_nonblocking(ends[1]));
	close(ends[1]);
	stream_write_text(copy, "third");
	close(copy);
	stream_expect_text(ends[0], "third");
	stream_expect_end(ends[0]);
	return 0;
}

/* As large as an ordinary user may make it, and full. */
static int move_full_pipe(const struct node *node)
{
	int ends[2], held;

	CHECK_CALL(pipe2(ends, O_NONBLOCK));
	CHECK_EQUAL(fcntl(ends[1], F_SETPIPE_SZ, CAPACITY), CAPACITY);
	test_write(ends[1], sent, CAPACITY);
	CHECK_EQUAL(write(ends[1], "x", 1), -1);
	CHECK_EQUAL(errno, EAGAIN);
	mover_go(node);
	expect_one_pipe(ends);
	if (geteuid() == 0) {
		CHECK_EQUAL(fcntl(ends[1], F_GETPIPE_SZ), CAPACITY);
		CHECK_CALL(ioctl(ends[0], FIONREAD, &held));
		CHECK_EQUAL(held, CAPACITY);
		CHECK_EQUAL(write(ends[1], "x", 1), -1);
		CHECK_EQUAL(errno, EAGAIN);
	}
	CHECK_EQUAL(test_read(ends[0], got, CAPACITY), CAPACITY);
	CHECK(!memcmp(got, sent, CAPACITY));
	return 0;
}

static int move_packets(const struct node *node)
{
	static const size_t sizes[] = { 1, 4096, 17, 4095, 2 };
	int ends[2];

	CHECK_CALL(pipe2(ends, O_DIRECT));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		CHECK_EQUAL(write(ends[1], sent + i, sizes[i]), sizes[i]);
	mover_go(node);
	expect_one_pipe(ends);
	if (geteuid() != 0)
		return 0; /* a relay is a stream */
	CHECK(fcntl(ends[1], F_GETFL) & O_DIRECT);
	CHECK_EQUAL(write(ends[1], "last", 4), 4);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		CHECK_EQUAL(read(ends[0], got, sizeof(got)), sizes[i]);
		CHECK(!memcmp(got, sent + i, sizes[i]));
	}
	CHECK_EQUAL(read(ends[0], got, sizeof(got)), 4);
	return 0;
}

/* Many, whose ends lie crosswise. */
static int move_many(const struct node *node)
{
	enum { PIPES = 20 };
	int ends[PIPES][2];

	for (int i = 0; i < PIPES; i++) {
		int low[2];

		CHECK_CALL(pipe(low));
		ends[i][0] = CHECK_CALL(fcntl(low[0], F_DUPFD, 300 - i));
		ends[i][1] = CHECK_CALL(fcntl(low[1], F_DUPFD, 400 + i % 2 * PIPES));
		CHECK_CALL(close(low[0]));
		CHECK_CALL(close(low[1]));
		test_write(ends[i][1], &i, sizeof(i));
	}
	mover_go(node);
	for (int i = 0; i < PIPES; i++) {
		int number;

		expect_one_pipe(ends[i]);
		CHECK_EQUAL(test_read(ends[i][0], &number, sizeof(number)), sizeof(number));
		CHECK_EQUAL(number, i);
	}
	return 0;
}

/* Twice, and back to where it was. */
static int move_on(const struct node *node)
{
	int ends[2];

	CHECK_CALL(pipe(ends));
	stream_write_text(ends[1], "one");
	mover_go(node);
	stream_write_text(ends[1], " two");
	mover_go(node);
	stream_write_text(ends[1], " three");
	stream_expect_text(ends[0], "one two three");
	expect_one_pipe(ends);
	return 0;
}

static int stay(const struct node *node)
{
	int ends[2];

	CHECK_CALL(pipe2(ends, O_DIRECT));
	CHECK_EQUAL(write(ends[1], sent, 5), 5);
	CHECK_EQUAL(write(ends[1], sent + 5, 7), 7);
	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "break", 1));
	CHECK_EQUAL(rfork_move(node->host), -1);
	CHECK_EQUAL(errno, EIO);
	CHECK_EQUAL(read(ends[0], got, sizeof(got)), 5);
	CHECK_EQUAL(read(ends[0], got + 5, sizeof(got) - 5), 7);
	CHECK(!memcmp(got, sent, 12));
	stream_set_nonblocking(ends[0], true);
	CHECK_EQUAL(read(ends[0], got, 1), -1);
	return 0;
}

int main(void)
{
	struct node node;

	test_begin();
	test_fill(sent, sizeof(sent), 21);
	node_start(&node, NULL);
	mover_run(&node, move_bytes);
	mover_run(&node, move_full_pipe);
	mover_run(&node, move_packets);
	mover_run(&node, move_many);
	mover_run(&node, move_on);
	mover_run(&node, stay);
	node_stop(&node);
	return test_end();
}
