/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that has locked a file with fcntl(2) still holds the lock after rfork() and
 * rfork_check(), wherever to, also where it has mapped the file, whose digest another machine asks
 * for: nothing of a call opens and closes a file in the calling process.  Locks of flock(2) and of
 * F_OFD_SETLK, which a child of fork(2) shares, are the caller's alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/foreign_node.h"

static char path[] = "/tmp/rfork-test-XXXXXX";

/* Another process sees it. */
static void expect_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	pid_t owner = getpid(), pid = CHECK_CALL(fork());

	if (!pid) {
		if (fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type != F_WRLCK)
			_exit(1);
		_exit(lock.l_pid == owner ? 0 : 2);
	}
	test_expect_exit(pid, 0);
}

static void check(const struct node *node, int fd)
{
	char list[4096];

	CHECK_EQUAL(rfork_check(node->host, &foreign_node_options, list, sizeof(list)), 0);
	expect_locked(fd);
	node_expect_service(node);
	expect_locked(fd);
	CHECK_EQUAL(rfork_check(NULL, NULL, list, sizeof(list)), 0);
	expect_locked(fd);
}

static bool may_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	return flock(fd, LOCK_EX | LOCK_NB) == 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* The child has another open file description, and so none of the locks. */
static void check_shared(const struct node *node)
{
	int fd = CHECK_CALL(open(path, O_RDWR)), other = CHECK_CALL(open(path, O_RDWR));
	pid_t pid;

	CHECK(may_lock(fd));
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(may_lock(fd) ? 0 : 1);
	test_expect_exit(pid, 0);
	pid = node_move_returns_twice(node, 0);
	if (!pid)
		_exit(may_lock(fd) ? 1 : 0);
	test_expect_exit(pid, 0);
	CHECK(!may_lock(other));
	close(other);
	close(fd);
}

int main(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	struct node near, far;
	void *memory;
	int fd;

	test_begin();
	fd = CHECK_CALL(mkstemp(path));
	CHECK_CALL(ftruncate(fd, TEST_PAGE_BYTES));
	CHECK_CALL(fcntl(fd, F_SETLK, &lock));
	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(memory != MAP_FAILED);
	expect_locked(fd);
	foreign_node_start(&far, (struct foreign_change){ .path = NULL });
	check(&far, fd);
	node_stop(&far);
	node_start(&near, NULL);
	check(&near, fd);
	CHECK_CALL(munmap(memory, TEST_PAGE_BYTES));
	close(fd);
	check_shared(&near);
	node_stop(&near);
	CHECK_CALL(unlink(path));
	return test_end();
}
