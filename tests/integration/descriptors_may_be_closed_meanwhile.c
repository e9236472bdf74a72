/* SPDX-License-Identifier: MIT */
/*
 * Claim: another thread may close and open descriptors of objects while the process is looked at, as
 * while it forks: the call does not fail for those, and what no thread touches the child has, also
 * where the descriptor that it was known by is closed and a duplicate stays.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/node.h"

#define CALLS 20
#define KEPT 40
#define COUNT 7u
/* In between the other thread closes and opens. */
#define FIRST 200
#define CHANGING 400
#define DUPLICATE (FIRST + CHANGING)

static atomic_bool is_over;

static void *change_descriptors(void *unused)
{
	for (unsigned i = 0; !is_over; i++) {
		int number = FIRST + (int)(i * 7 % CHANGING);
		int fd = i % 3 ? eventfd(0, EFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			CHECK_CALL(dup2(fd, number));
			close(fd);
		}
		if (i % 2)
			close(number);
	}
	return unused;
}

static void expect_count(int fd)
{
	eventfd_t count;

	CHECK_CALL(eventfd_read(fd, &count));
	CHECK_EQUAL(count, COUNT);
}

static void call(const struct node *node)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (!pid) {
		expect_count(KEPT);
		expect_count(DUPLICATE);
		_exit(0);
	}
	test_expect_exit(pid, 0);
}

static void put(unsigned count, int number)
{
	int fd = CHECK_CALL(eventfd(count, EFD_NONBLOCK));

	CHECK_CALL(dup2(fd, number));
	close(fd);
}

int main(void)
{
	struct node node;
	pthread_t thread;

	test_begin();
	node_start(&node, NULL);
	put(COUNT, KEPT);
	put(COUNT, FIRST);
	CHECK_CALL(dup2(FIRST, DUPLICATE));
	CHECK_EQUAL(pthread_create(&thread, NULL, change_descriptors, NULL), 0);
	for (unsigned i = 0; i < CALLS; i++)
		call(&node);
	is_over = true;
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	close_range(FIRST, DUPLICATE, 0);
	close(KEPT);
	node_stop(&node);
	return test_end();
}
