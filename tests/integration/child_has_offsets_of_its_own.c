/* SPDX-License-Identifier: MIT */
/*
 * Claim: the offset and the status flags of a file, which a child of fork() shares with its parent,
 * are a remote child's own: what either does the other does not see.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "tests/support/node.h"

static int file;

static void change(off_t offset, int flag)
{
	CHECK_EQUAL(lseek(file, offset, SEEK_SET), offset);
	CHECK_CALL(fcntl(file, F_SETFL, flag));
}

static void expect(off_t offset, int flag)
{
	CHECK_EQUAL(lseek(file, 0, SEEK_CUR), offset);
	CHECK_EQUAL(CHECK_CALL(fcntl(file, F_GETFL)) & O_NONBLOCK, flag);
}

static void expect_shared(void)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		change(7, O_NONBLOCK);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect(7, O_NONBLOCK);
}

static void expect_own(const struct node *node)
{
	pid_t pid;

	change(3, O_NONBLOCK);
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		expect(3, O_NONBLOCK);
		change(9, 0);
		expect(9, 0);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	expect(3, O_NONBLOCK);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	file = CHECK_CALL(open("/proc/self/exe", O_RDONLY));
	expect_shared();
	expect_own(&node);
	node_stop(&node);
	return test_end();
}
