/* SPDX-License-Identifier: MIT */
/*
 * Claim: a regular file open for reading is open in the child under the same number, with its
 * offset and close-on-exec flag, and duplicates still share one offset; /dev/null goes too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

int main(void)
{
	struct node node;
	char path[96], text[4];
	int fd;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/input", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	test_write(fd, "abcdefghij", 10);
	close(fd);
	fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
	CHECK_CALL(dup2(fd, 20));
	CHECK_CALL(dup3(CHECK_CALL(open("/dev/null", O_RDWR)), 30, O_CLOEXEC));
	CHECK_CALL(lseek(fd, 3, SEEK_SET));
	close(4);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(fcntl(fd, F_GETFD), FD_CLOEXEC);
		CHECK_EQUAL(fcntl(20, F_GETFD), 0);
		CHECK_EQUAL(read(fd, text, 2), 2);
		CHECK(!memcmp(text, "de", 2));
		CHECK_EQUAL(read(20, text, 2), 2);
		CHECK(!memcmp(text, "fg", 2));
		CHECK_EQUAL(write(30, "x", 1), 1);
		CHECK_EQUAL(fcntl(30, F_GETFD), FD_CLOEXEC);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(lseek(fd, 0, SEEK_CUR), 3);
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
