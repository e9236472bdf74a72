/* SPDX-License-Identifier: MIT */
/*
 * Claim: while the image is under way the ghost keeps the caller's files open, so that nothing that the
 * caller closes and deletes meanwhile can give its inode to the file that the node will find; once
 * the child runs it holds none of them.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"

#define NUMBER 17

/* A ghost takes its name when its descriptors are in order. */
static void await_ghost(pid_t pid)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	char path[64], name[16];

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	do {
		int fd = CHECK_CALL(open(path, O_RDONLY | O_CLOEXEC));
		ssize_t count = CHECK_CALL(read(fd, name, sizeof(name)));

		close(fd);
		if (count >= 6 && !memcmp(name, "rfork:", 6))
			return;
		poll(NULL, 0, 1);
	} while (test_now_ms() < deadline_ms);
	test_fail(__FILE__, __LINE__, "process %d does not become a ghost", (int)pid);
}

static bool holds(pid_t pid, const char *file)
{
	char path[64], target[128] = "";

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, NUMBER);
	return readlink(path, target, sizeof(target) - 1) > 0 && !strcmp(target, file);
}

int main(void)
{
	struct node node;
	char path[96], text[8], byte;
	int fd, from_child[2], to_child[2];
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	snprintf(path, sizeof(path), "%s/file", node.directory);
	fd = CHECK_CALL(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	test_write(fd, "bytes", 5);
	CHECK_CALL(dup2(fd, NUMBER));
	close(fd);
	CHECK_CALL(pipe2(from_child, O_CLOEXEC));
	CHECK_CALL(pipe2(to_child, O_CLOEXEC));
	node_settle(&node);
	process_signal_shells(&node, SIGSTOP); /* a shell that is stopped reads no image */
	pid = node_move_returns_twice(&node, RFORK_ASYNC);
	if (!pid) {
		CHECK_EQUAL(pread(NUMBER, text, sizeof(text), 0), 5);
		CHECK_EQUAL(write(from_child[1], "x", 1), 1);
		CHECK_EQUAL(read(to_child[0], &byte, 1), 1);
		_exit(0);
	}
	close(NUMBER);
	await_ghost(pid);
	CHECK(holds(pid, path));
	process_signal_shells(&node, SIGCONT);
	CHECK_EQUAL(test_read(from_child[0], &byte, 1), 1);
	CHECK(!holds(pid, path));
	test_write(to_child[1], "x", 1);
	test_expect_exit(pid, 0);
	CHECK_CALL(unlink(path));
	node_stop(&node);
	return test_end();
}
