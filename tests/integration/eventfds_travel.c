/* SPDX-License-Identifier: MIT */
/*
 * Claim: an eventfd(2) arrives with its count, as a semaphore if it was one, with its flags, and as
 * one with its duplicates, also in the place of a standard descriptor; the caller's own is another.
 * A kernel before 6.5 does not tell of semaphores: they are none then, and rfork_report() says so.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define LARGE (UINT64_MAX - 1)

static int counter, duplicate, semaphore, empty, full;
static bool is_told; /* that it is a semaphore */

static bool tells_of_semaphore(int fd)
{
	char path[64], text[512];
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	text[test_read(info, text, sizeof(text) - 1)] = '\0';
	close(info);
	return strstr(text, "\neventfd-semaphore:");
}

static void build(void)
{
	uint64_t most = LARGE;

	counter = CHECK_CALL(eventfd(5, EFD_CLOEXEC));
	duplicate = CHECK_CALL(fcntl(counter, F_DUPFD, 100));
	semaphore = CHECK_CALL(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	is_told = tells_of_semaphore(semaphore);
	empty = CHECK_CALL(eventfd(0, EFD_NONBLOCK));
	full = CHECK_CALL(eventfd(0, 0));
	CHECK_EQUAL(write(full, &most, sizeof(most)), sizeof(most));
	CHECK_CALL(dup2(counter, STDIN_FILENO));
}

static uint64_t take(int fd)
{
	uint64_t count;

	CHECK_EQUAL(read(fd, &count, sizeof(count)), sizeof(count));
	return count;
}

static void expect_nothing(int fd)
{
	uint64_t count;

	CHECK_EQUAL(read(fd, &count, sizeof(count)), -1);
	CHECK_EQUAL(errno, EAGAIN);
}

/* Three besides the first; a duplicate is none of its own. */
static void expect_report(void)
{
	char line[64];

	snprintf(line, sizeof(line), "descriptors %d and 3 more: they are eventfds", STDIN_FILENO);
	if (is_told)
		CHECK(!strstr(rfork_report(), "eventfd"));
	else
		CHECK(strstr(rfork_report(), line));
}

static void verify(enum way way)
{
	if (way != WAY_PROCESS) /* which has called nothing */
		expect_report();
	CHECK_EQUAL(CHECK_CALL(fcntl(counter, F_GETFD)), FD_CLOEXEC);
	CHECK_EQUAL(CHECK_CALL(fcntl(duplicate, F_GETFD)), 0);
	CHECK_EQUAL(CHECK_CALL(fcntl(counter, F_GETFL)), O_RDWR);
	CHECK_CALL(eventfd_write(duplicate, 2));
	CHECK_EQUAL(take(counter), 7);
	CHECK_CALL(fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK));
	expect_nothing(duplicate);
	if (is_told)
		for (int i = 0; i < 3; i++)
			CHECK_EQUAL(take(semaphore), 1);
	else
		CHECK_EQUAL(take(semaphore), 3);
	expect_nothing(semaphore);
	expect_nothing(empty);
	CHECK_EQUAL(take(full), LARGE);
}

/* What either does the other does not see. */
static void check_copies(const struct node *node)
{
	int shared = CHECK_CALL(eventfd(5, EFD_NONBLOCK));
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid) {
		CHECK_EQUAL(take(shared), 5);
		CHECK_CALL(eventfd_write(shared, 9));
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(take(shared), 5);
	CHECK_CALL(close(shared));
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	ways_check(&node, build, verify);
	check_copies(&node);
	node_stop(&node);
	return test_end();
}
