/* SPDX-License-Identifier: MIT */
/*
 * Claim: a file open for writing is the same file in the child, if the node is the same machine: with its
 * offset, which is the child's own from then on, and its status flags.  Duplicates under any numbers share
 * one offset there, what was opened by itself has its own, and each keeps its close-on-exec flag.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

#define FIRST 10
#define ALONE 11
#define SECOND 12
#define APPENDING 20
#define THIRD 900
#define FLAGGED 50

static const int flags[] = {
	O_RDWR | O_APPEND,
	O_WRONLY | O_DSYNC,
	O_RDWR | O_SYNC,
	O_RDONLY | O_NOATIME,
	O_RDWR | O_DIRECT,
	O_WRONLY | O_NONBLOCK,
	O_WRONLY | O_APPEND | O_SYNC | O_NOATIME,
};
#define FLAGS (sizeof(flags) / sizeof(flags[0]))

static int status[FLAGS];

static void place(int fd, int number, int fd_flags)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, number));
	CHECK_CALL(fcntl(number, F_SETFD, fd_flags));
	close(fd);
}

static void open_files(const char *path)
{
	place(open(path, O_RDWR), FIRST, FD_CLOEXEC);
	CHECK_CALL(dup2(FIRST, SECOND));
	CHECK_CALL(dup3(FIRST, THIRD, O_CLOEXEC));
	CHECK_CALL(lseek(FIRST, 4, SEEK_SET));
	place(open(path, O_RDWR), ALONE, 0);
	place(open(path, O_WRONLY | O_APPEND), APPENDING, 0);
	for (unsigned i = 0; i < FLAGS; i++) {
		int fd = open(path, flags[i]);

		status[i] = -1;
		if (fd < 0) /* O_DIRECT, on some file systems */
			continue;
		place(fd, FLAGGED + (int)i, 0);
		status[i] = CHECK_CALL(fcntl(FLAGGED + (int)i, F_GETFL));
	}
}

static void verify(void)
{
	CHECK_EQUAL(write(FIRST, "A", 1), 1);
	CHECK_EQUAL(write(THIRD, "B", 1), 1);
	CHECK_EQUAL(write(SECOND, "C", 1), 1);
	CHECK_EQUAL(write(ALONE, "D", 1), 1);
	CHECK_EQUAL(write(APPENDING, "E", 1), 1);
	CHECK_EQUAL(lseek(FIRST, 0, SEEK_CUR), 7);
	CHECK_EQUAL(lseek(ALONE, 0, SEEK_CUR), 1);
	CHECK_EQUAL(fcntl(FIRST, F_GETFD), FD_CLOEXEC);
	CHECK_EQUAL(fcntl(SECOND, F_GETFD), 0);
	CHECK_EQUAL(fcntl(THIRD, F_GETFD), FD_CLOEXEC);
	CHECK_EQUAL(fcntl(ALONE, F_GETFD), 0);
	for (unsigned i = 0; i < FLAGS; i++)
		CHECK_EQUAL(fcntl(FLAGGED + (int)i, F_GETFL), status[i]);
}

int main(void)
{
	char path[96], content[16] = "";
	struct node node;
	int fd;
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/file", node.directory);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_write(fd, "0123456789", 10);
	close(fd);
	open_files(path);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		verify();
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(lseek(FIRST, 0, SEEK_CUR), 4);
	CHECK_EQUAL(pread(FIRST, content, sizeof(content), 0), 11);
	CHECK_TEXT(content, "D123ABC789E");
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
