/* SPDX-License-Identifier: MIT */
/*
 * Claim: descriptors that share one open file description share one in the child, with the flags of
 * each and of all; those of others do not.  Closing one leaves the others; the last one ends it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define PLAIN 20
#define CLOSING 31
#define OTHER 40
#define REOPENED 41
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY 1027 /* Linux 6.10 */
#endif

static bool is_same(int a, int b)
{
	int answer = fcntl(a, F_DUPFD_QUERY, b);

	if (answer < 0)
		answer = (int)syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
	else
		answer = !answer;
	if (answer < 0)
		test_skip("the kernel does not compare open file descriptions");
	return answer == 0;
}

static void expect_flags(void)
{
	CHECK(is_same(1, PLAIN));
	CHECK(is_same(1, CLOSING));
	CHECK(is_same(PLAIN, CLOSING));
	CHECK(!is_same(1, OTHER));
	CHECK(!is_same(1, REOPENED));
	CHECK_EQUAL(fcntl(1, F_GETFD), 0);
	CHECK_EQUAL(fcntl(PLAIN, F_GETFD), 0);
	CHECK_EQUAL(fcntl(CLOSING, F_GETFD), FD_CLOEXEC);
	CHECK_EQUAL(fcntl(OTHER, F_GETFD), FD_CLOEXEC);
	CHECK_EQUAL(fcntl(PLAIN, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
	CHECK_EQUAL(fcntl(OTHER, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
}

static _Noreturn void be_the_child(void)
{
	expect_flags();
	stream_set_nonblocking(CLOSING, false);
	CHECK(!stream_is_nonblocking(PLAIN) && !stream_is_nonblocking(1));
	CHECK_EQUAL(fcntl(OTHER, F_GETFL) & O_NONBLOCK, 0);
	stream_write_text(1, "one ");
	stream_write_text(PLAIN, "two ");
	stream_write_text(CLOSING, "three ");
	close(1);
	stream_write_text(PLAIN, "four ");
	close(CLOSING);
	stream_write_text(PLAIN, "five");
	close(PLAIN);
	test_await_signal(SIGUSR1); /* two descriptions have no common order */
	stream_write_text(REOPENED, ", six");
	close(REOPENED);
	stream_write_text(OTHER, "the other");
	for (;;)
		pause();
}

static void put(int fd, int number, int flags)
{
	CHECK_EQUAL(dup3(fd, number, flags), number);
	close(fd);
}

int main(void)
{
	int ends[2], other[2];
	struct node node;
	sigset_t user;
	char path[64];
	pid_t pid;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(ends));
	CHECK_CALL(pipe(other));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
	put(CHECK_CALL(open(path, O_WRONLY)), REOPENED, 0);
	stream_set_nonblocking(ends[1], true);
	CHECK_CALL(dup2(ends[1], 1));
	CHECK_EQUAL(dup3(ends[1], CLOSING, O_CLOEXEC), CLOSING);
	put(ends[1], PLAIN, 0);
	put(other[1], OTHER, O_CLOEXEC);
	expect_flags();
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		be_the_child();
	test_release_output();
	close(PLAIN);
	close(CLOSING);
	close(REOPENED);
	close(OTHER);
	stream_expect_text(ends[0], "one two three four five");
	stream_expect_nothing(ends[0]);
	CHECK_CALL(kill(pid, SIGUSR1));
	stream_expect_text(ends[0], ", six");
	stream_expect_end(ends[0]);
	stream_expect_text(other[0], "the other");
	stream_expect_nothing(other[0]);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	stream_expect_end(other[0]);
	node_stop(&node);
	return test_end();
}
