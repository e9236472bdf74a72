/* SPDX-License-Identifier: MIT */
/*
 * Claim: a seqpacket socketpair between parent and child has both directions, of which shutdown() and
 * close() end one or both: the other side reads end of file behind the last message, its sending is
 * EPIPE, and messages without bytes are no end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

static struct node node;
static int ours, theirs; /* the ends of the pair */

static pid_t move_returns_twice(void)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	ours = ends[0];
	theirs = ends[1];
	pid = node_move_returns_twice(&node, 0);
	close(pid ? theirs : ours);
	return pid;
}

static void send_text(int fd, const char *text)
{
	CHECK_EQUAL(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void expect_message(int fd, const char *text)
{
	char got[64];
	ssize_t count;

	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	count = CHECK_CALL(recv(fd, got, sizeof(got) - 1, 0));
	got[count] = '\0';
	CHECK_TEXT(got, text);
}

static void expect_end(int fd)
{
	expect_message(fd, "");
	CHECK(test_poll(fd, POLLRDHUP, TEST_DEADLINE_MS));
	expect_message(fd, "");
}

/* What was on its way, and is not read any more, is told by ECONNRESET, once. */
static void expect_no_reader(int fd)
{
	while (send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 || errno == EAGAIN ||
	       errno == ECONNRESET)
		CHECK(test_poll(fd, POLLOUT, TEST_DEADLINE_MS));
	CHECK_EQUAL(errno, EPIPE);
}

/* One end's side of a talk in which each shuts down, `first` before the other. */
static void talk(int fd, bool first)
{
	if (!first) {
		expect_message(fd, "last words");
		expect_message(fd, "");
		expect_message(fd, "really");
		expect_end(fd);
	}
	send_text(fd, "last words");
	send_text(fd, "");
	send_text(fd, "really");
	CHECK_CALL(shutdown(fd, SHUT_WR));
	CHECK_EQUAL(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	CHECK_EQUAL(errno, EPIPE);
	if (!first)
		return;
	expect_message(fd, "last words");
	expect_message(fd, "");
	expect_message(fd, "really");
	expect_end(fd);
}

static void check_shutdown(bool child_first)
{
	pid_t pid = move_returns_twice();

	if (!pid) {
		talk(theirs, child_first);
		_exit(0);
	}
	talk(ours, !child_first);
	test_expect_exit(pid, 0);
	close(ours);
}

static void check_close_by_parent(void)
{
	pid_t pid = move_returns_twice();

	if (!pid) {
		expect_message(theirs, "last words");
		expect_end(theirs);
		expect_no_reader(theirs);
		_exit(0);
	}
	send_text(ours, "last words");
	close(ours);
	test_expect_exit(pid, 0);
}

/* The child lives on: its close is what is seen. */
static void check_close_by_child(void)
{
	pid_t pid = move_returns_twice();

	if (!pid) {
		send_text(theirs, "last words");
		close(theirs);
		for (;;)
			pause();
	}
	expect_message(ours, "last words");
	expect_end(ours);
	expect_no_reader(ours);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	close(ours);
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	check_shutdown(true);
	check_shutdown(false);
	check_close_by_parent();
	check_close_by_child();
	node_stop(&node);
	return test_end();
}
