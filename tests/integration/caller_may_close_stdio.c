/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller may have closed any of descriptors 0 to 2: they are closed in the child too, its
 * status and the rest of its output come home, and nothing of rfork() takes those numbers, so
 * that what fork handlers or other threads write to them goes nowhere.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/support/node.h"

#define SUBSETS 8
#define FIRST_SAVED 100

static struct node node;
static unsigned closed; /* bit n: descriptor n */
static unsigned taken;	/* those that took a write nevertheless */

/* Runs in the caller while the connection and the pipe to the ghost are open. */
static void write_to_closed(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (closed >> fd & 1 && write(fd, "noise", 5) >= 0)
			taken |= 1u << fd;
}

static unsigned closed_now(void)
{
	unsigned now = 0;

	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			now |= 1u << fd;
	return now;
}

static _Noreturn void live(void)
{
	if (closed_now() != closed)
		_exit(1);
	if (!(closed >> 1 & 1) && write(1, "out", 3) != 3)
		_exit(2);
	_exit(40 + (int)closed);
}

static void move(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	int saved[3];
	unsigned after;
	pid_t pid;

	for (int fd = 0; fd < 3; fd++)
		saved[fd] = CHECK_CALL(fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SAVED));
	for (int fd = 0; fd < 3; fd++)
		if (closed >> fd & 1)
			close(fd);
	pid = rfork_with(node.host, &options);
	if (!pid)
		live();
	after = closed_now();
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "%#x closed: rfork: %s", closed, rfork_error());
	CHECK_EQUAL(after, closed);
	CHECK_EQUAL(taken, 0);
	test_expect_exit(pid, 40 + (int)closed);
}

int main(void)
{
	char text[64];

	test_begin();
	node_start(&node, NULL);
	test_capture_output();
	CHECK_EQUAL(pthread_atfork(write_to_closed, NULL, NULL), 0);
	for (closed = 0; closed < SUBSETS; closed++)
		move();
	CHECK_EQUAL(test_output(text, sizeof(text)), 3 * SUBSETS / 2);
	node_stop(&node);
	return test_end();
}
