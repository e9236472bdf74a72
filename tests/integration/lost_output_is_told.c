/* SPDX-License-Identifier: MIT */
/*
 * Claim: output of the child that the original does not take, here for a limit on the size of files, is not
 * lost in silence: one sentence stands on standard error, as long as the child has that open, also where
 * it is a duplicate of another descriptor.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

#define LIMIT_BYTES 1000

static struct node node;

static void check(bool is_duplicate)
{
	int saved[3], errors[2], go[2], file;
	size_t used = 0;
	ssize_t got;
	char path[96], text[1024] = "", block[LIMIT_BYTES + 1] = "";
	pid_t pid;

	snprintf(path, sizeof(path), "%s/output", node.directory);
	file = CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	CHECK_CALL(pipe2(errors, O_CLOEXEC));
	CHECK_CALL(pipe2(go, O_CLOEXEC));
	for (int i = 0; i < 3; i++)
		saved[i] = CHECK_CALL(fcntl(i, F_DUPFD_CLOEXEC, 20));
	CHECK_CALL(dup2(file, STDOUT_FILENO));
	CHECK_CALL(dup2(errors[1], STDERR_FILENO));
	if (is_duplicate)
		CHECK_CALL(dup2(STDERR_FILENO, STDIN_FILENO));
	close(file);
	close(errors[1]);
	pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		CHECK_EQUAL(write(STDOUT_FILENO, block, sizeof(block)), sizeof(block));
		/* it is told where the child's standard error leads, while that is open */
		close(go[1]);
		CHECK_EQUAL(read(go[0], text, 1), 0);
		_exit(0);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_CALL(dup2(saved[i], i));
		close(saved[i]);
	}
	for (; !strchr(text, '\n'); used += (size_t)got) {
		got = CHECK_CALL(read(errors[0], text + used, sizeof(text) - 1 - used));
		CHECK(got > 0);
	}
	close(errors[0]);
	close(go[0]);
	close(go[1]);
	test_wait(pid);
	dprintf(2, "%s", text);
	CHECK(strstr(text, "is lost") && strstr(text, "File too large"));
	CHECK_CALL(unlink(path));
}

int main(void)
{
	struct rlimit limit;

	test_begin();
	node_start(&node, NULL);
	signal(SIGXFSZ, SIG_IGN);
	CHECK_CALL(getrlimit(RLIMIT_FSIZE, &limit));
	limit.rlim_cur = LIMIT_BYTES;
	CHECK_CALL(setrlimit(RLIMIT_FSIZE, &limit));
	check(false);
	check(true);
	node_stop(&node);
	return test_end();
}
