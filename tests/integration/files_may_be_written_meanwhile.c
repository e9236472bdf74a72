/* SPDX-License-Identifier: MIT */
/*
 * Claim: a file that others write to during the call is the same object all the same: descriptors
 * of it, and MAP_SHARED mappings, are the file's own in the child.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

#define MOVES 10
#define READER 20
#define LOG 21

static struct node node;
static char path[96];

/* Appends without end; ends with its parent. */
static pid_t start_writer(void)
{
	int ready[2];
	pid_t pid, parent = getpid();
	char byte;

	CHECK_CALL(pipe2(ready, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		int fd = CHECK_CALL(open(path, O_WRONLY | O_APPEND | O_CLOEXEC));

		for (unsigned i = 0; getppid() == parent; i++) {
			CHECK_EQUAL(write(fd, "line\n", 5), 5);
			if (i == 0)
				CHECK_EQUAL(write(ready[1], "x", 1), 1);
		}
		_exit(0);
	}
	test_guard_process(pid);
	CHECK_EQUAL(test_read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

/* Whether the file grew meanwhile: a busy machine may let the writer wait. */
static bool move(unsigned char *shared, int number)
{
	struct stat before, now;
	pid_t pid;

	CHECK_CALL(fstat(LOG, &before));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_CALL(fstat(READER, &now));
		CHECK_EQUAL(now.st_ino, before.st_ino);
		CHECK(now.st_size >= before.st_size);
		CHECK_EQUAL(write(LOG, "child", 5), 5);
		shared[number] = (unsigned char)(100 + number);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(shared[number], 100 + number);
	CHECK_CALL(fstat(LOG, &now));
	return now.st_size > before.st_size + 5;
}

int main(void)
{
	unsigned char *shared;
	unsigned grown = 0;
	pid_t writer;
	int fd;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/log", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_write(fd, "the first page of the log      \n", 32);
	shared = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED);
	close(fd);
	writer = start_writer();
	CHECK_CALL(dup2(fd = CHECK_CALL(open(path, O_RDONLY)), READER));
	close(fd);
	CHECK_CALL(dup2(fd = CHECK_CALL(open(path, O_WRONLY | O_APPEND)), LOG));
	close(fd);
	for (int i = 0; i < MOVES; i++)
		grown += move(shared, i);
	CHECK(grown); /* or nothing has been shown */
	CHECK_CALL(kill(writer, SIGKILL));
	test_expect_signal(writer, SIGKILL);
	test_forget_process(writer);
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
