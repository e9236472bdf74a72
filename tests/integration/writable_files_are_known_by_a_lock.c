/* SPDX-License-Identifier: MIT */
/*
 * Claim: on another machine, a file that is open for writing is reopened if it provably is the same, as on a
 * network file system: the node sees a lock that the ghost holds in it.  Other locks prove nothing, and
 * one of the whole file, which keeps the ghost from holding its own, makes the call fail.  Nothing
 * stays locked once the child runs or the call has failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/foreign_node.h"

#define NUMBER 17
#define DUPLICATE 30
#define APPENDING 31

static struct node node;
static char same[96], changed[96], copy[96];

static void make_file(char path[96], const char *directory, const char *name)
{
	int fd;

	snprintf(path, 96, "%s/%s", directory, name);
	fd = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_write(fd, "0123456789", 10);
	close(fd);
}

static void place(int fd, int number)
{
	CHECK_CALL(fd);
	CHECK_CALL(dup2(fd, number));
	close(fd);
}

static void expect_unlocked(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = CHECK_CALL(open(same, O_RDWR | O_CLOEXEC));

	CHECK_CALL(fcntl(fd, F_OFD_GETLK, &lock));
	CHECK_EQUAL(lock.l_type, F_UNLCK);
	close(fd);
}

/* A process that holds a lock from `start` to the end of all files. */
static pid_t start_locker(const char *path, off_t start)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start };
	int ready[2];
	pid_t pid;
	char byte;

	CHECK_CALL(pipe2(ready, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (!pid) {
		int fd = CHECK_CALL(open(path, O_RDWR | O_CLOEXEC));

		CHECK_CALL(fcntl(fd, F_SETLK, &lock));
		CHECK_EQUAL(write(ready[1], "x", 1), 1);
		pause();
		_exit(0);
	}
	test_guard_process(pid);
	CHECK_EQUAL(test_read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void stop_locker(pid_t pid)
{
	CHECK_CALL(kill(pid, SIGKILL));
	test_expect_signal(pid, SIGKILL);
	test_forget_process(pid);
}

static void move(void)
{
	char ready, content[16] = "";
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		foreign_node_expect_here();
		CHECK_EQUAL(write(NUMBER, "A", 1), 1);
		CHECK_EQUAL(write(DUPLICATE, "B", 1), 1);
		CHECK_EQUAL(write(APPENDING, "C", 1), 1);
		close(ends[0]);
		CHECK_EQUAL(write(ends[1], "x", 1), 1);
		_exit(0);
	}
	expect_unlocked();
	CHECK_EQUAL(test_read(ends[0], &ready, 1), 1);
	test_expect_exit(pid, 0);
	close(ends[0]);
	close(ends[1]);
	CHECK_EQUAL(lseek(NUMBER, 0, SEEK_CUR), 4);
	CHECK_EQUAL(pread(NUMBER, content, sizeof(content), 0), 11);
	CHECK_TEXT(content, "0123AB6789C");
}

static void expect_refusal(const char *path)
{
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, path);
	if (!strstr(rfork_error(), "not provably the same"))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say why", rfork_error());
	expect_unlocked();
}

int main(void)
{
	char directory[] = "/tmp/rfork-test-XXXXXX";
	pid_t locker;

	test_begin();
	CHECK(mkdtemp(directory));
	make_file(changed, directory, "changed");
	foreign_node_start(&node, (struct foreign_change){ .path = changed });
	snprintf(copy, sizeof(copy), "%s/.changed", node.directory); /* what the node has there */
	make_file(same, node.directory, "same");
	node_expect_service(&node); /* what the first call keeps, it has now */

	place(open(same, O_RDWR), NUMBER);
	CHECK_CALL(dup2(NUMBER, DUPLICATE));
	CHECK_CALL(lseek(NUMBER, 4, SEEK_SET));
	place(open(same, O_WRONLY | O_APPEND), APPENDING);
	move();

	locker = start_locker(same, 0);
	footprint_expect_refusal(node.host, &foreign_node_options, ENOTSUP, same);
	stop_locker(locker);
	close(NUMBER);
	close(DUPLICATE);
	close(APPENDING);

	place(open(changed, O_RDWR), NUMBER);
	expect_refusal(changed);
	locker = start_locker(copy, 0);
	expect_refusal(changed);
	stop_locker(locker);
	locker = start_locker(copy, (off_t)1 << 60);
	expect_refusal(changed);
	stop_locker(locker);
	close(NUMBER);

	CHECK_CALL(unlink(same));
	CHECK_CALL(unlink(changed));
	CHECK_CALL(rmdir(directory));
	node_stop(&node);
	return test_end();
}
