/* SPDX-License-Identifier: MIT */
/*
 * Claim: files that another thread cuts off, enlarges and overwrites while they are copied do no
 * harm: the child has one of some size that it had, with bytes that it had or zeros, and all of what
 * does not change.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/node.h"

#define MOST (3 << 20)
#define LEAST 1000
#define ROUNDS 8

enum { DELETED = 20, MEMORY = 21 };

static struct node node;
static unsigned char bytes[MOST], got[MOST];
static atomic_bool is_over;
static atomic_uint changes;

static void *change(void *unused)
{
	for (unsigned round = 0; !is_over; round++) {
		for (int fd = DELETED; fd <= MEMORY; fd++) {
			CHECK_CALL(ftruncate(fd, LEAST + round % 5 * 12345));
			CHECK_EQUAL(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
		}
		changes++;
	}
	return unused;
}

static void make_files(void)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/changing", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	CHECK_CALL(dup2(fd, DELETED));
	close(fd);
	CHECK_CALL(unlink(path));
	fd = CHECK_CALL(memfd_create("changing", MFD_CLOEXEC));
	CHECK_CALL(dup2(fd, MEMORY));
	close(fd);
	memset(bytes, 'a', sizeof(bytes));
}

static void verify(int fd)
{
	struct stat status;

	CHECK_CALL(fstat(fd, &status));
	CHECK(status.st_size >= LEAST && status.st_size <= MOST);
	CHECK_EQUAL(pread(fd, got, sizeof(got), 0), status.st_size);
	for (off_t i = 0; i < status.st_size; i++)
		CHECK(got[i] == 'a' || (got[i] == 0 && i >= LEAST));
	CHECK_EQUAL(pwrite(fd, "b", 1, status.st_size), 1);
}

int main(void)
{
	pthread_t thread;

	test_begin();
	node_start(&node, NULL);
	make_files();
	CHECK_EQUAL(pthread_create(&thread, NULL, change, NULL), 0);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned before = changes;
		pid_t pid;

		while (changes == before)
			sched_yield();
		pid = node_move_returns_twice(&node, RFORK_COPY_FILES);
		if (!pid) {
			verify(DELETED);
			verify(MEMORY);
			_exit(0);
		}
		test_expect_exit(pid, 0);
	}
	is_over = true;
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	node_stop(&node);
	return test_end();
}
