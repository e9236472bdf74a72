/* SPDX-License-Identifier: MIT */
/*
 * Claim: who is to be signalled for an open file, and by what, see F_SETOWN, F_SETSIG, F_NOTIFY and
 * F_SETLEASE of fcntl(2), stays with the caller's: the child's file signals nobody, and the caller
 * still hears.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

static struct node node;
static int directory;

static void watch(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	directory = CHECK_CALL(open(node.directory, O_RDONLY | O_DIRECTORY));
	CHECK_CALL(fcntl(directory, F_SETOWN, getpid()));
	CHECK_CALL(fcntl(directory, F_SETSIG, SIGRTMIN));
	CHECK_CALL(fcntl(directory, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
}

static void make_file(const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", node.directory, name);
	close(CHECK_CALL(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
	CHECK_CALL(unlink(path));
}

static bool is_signalled(int timeout_ms)
{
	const struct timespec limit = { .tv_sec = timeout_ms / 1000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	return sigtimedwait(&set, &info, &limit) == SIGRTMIN && info.si_fd == directory;
}

int main(void)
{
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	watch();
	pid = node_move_returns_twice(&node, 0);
	if (pid == 0) {
		CHECK_EQUAL(fcntl(directory, F_GETOWN), 0);
		CHECK_EQUAL(fcntl(directory, F_GETSIG), 0);
		make_file("of-the-child");
		_exit(is_signalled(0) ? 1 : 0);
	}
	test_expect_exit(pid, 0);
	CHECK(is_signalled(TEST_DEADLINE_MS)); /* of what the child has made */
	make_file("of-the-caller");
	CHECK(is_signalled(TEST_DEADLINE_MS));
	CHECK_EQUAL(fcntl(directory, F_GETSIG), SIGRTMIN);
	close(directory);
	node_stop(&node);
	return test_end();
}
