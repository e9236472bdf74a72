/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that has locked a file with fcntl(2) still holds the lock after rfork() and
 * rfork_check(), wherever to, also where it has mapped the file, whose digest another machine asks
 * for: nothing of a call opens and closes a file in the calling process.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
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
	node_start(&near, NULL);
	check(&near, fd);
	node_stop(&near);
	foreign_node_start(&far, (struct foreign_change){ .path = NULL });
	check(&far, fd);
	node_stop(&far);
	CHECK_CALL(unlink(path));
	return test_end();
}
