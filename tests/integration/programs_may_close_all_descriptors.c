/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program that closes descriptors that it does not know, those of its checkpoints among
 * them, loses the checkpoints, is told so, and keeps every file that it opens under their numbers;
 * and a child that the C library's handlers of fork() know nothing of keeps no checkpoint alive
 * that its parent discards.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"

#define CHECKPOINTS 3
#define FILES 1100 /* so that all numbers are taken that the library could have had */

static void close_all(void)
{
	CHECK_CALL(syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0));
}

static unsigned open_files(const char *path, int files[FILES])
{
	unsigned count = 0;

	while (count < FILES && (files[count] = open(path, O_RDWR | O_CREAT, 0600)) >= 0)
		count++;
	CHECK(count > CHECKPOINTS);
	return count;
}

static void check_closed(const char *path)
{
	rfork_crid_t crids[CHECKPOINTS];
	static int files[FILES];
	unsigned count;

	for (unsigned i = 0; i < CHECKPOINTS; i++)
		crids[i] = checkpoint_hold(0);
	close_all();
	count = open_files(path, files);
	for (unsigned i = 0; i < CHECKPOINTS; i++) {
		checkpoint_expect_failure(rfork_commit(crids[i], files[0]), ECONNRESET, "closed");
		CHECK_CALL(rfork_discard(crids[i]));
	}
	for (unsigned i = 0; i < count; i++)
		CHECK_CALL(fcntl(files[i], F_GETFD));
	close_all();
	CHECK_CALL(unlink(path));
}

static void check_raw_fork(void)
{
	rfork_crid_t crid = checkpoint_hold(0);
	int ends[2];
	char byte;
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	if (pid == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	CHECK_CALL(rfork_discard(crid)); /* it would wait for ever: the child waits for us */
	CHECK_EQUAL(waitpid(pid, NULL, WNOHANG), 0);
	close(ends[0]);
	close(ends[1]);
	test_expect_exit(pid, 0);
}

int main(void)
{
	const char *path;

	test_begin();
	path = checkpoint_path("file");
	check_closed(path);
	check_raw_fork();
	checkpoint_clean(NULL, 0);
	return test_end();
}
