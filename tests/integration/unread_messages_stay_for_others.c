/* SPDX-License-Identifier: MIT */
/*
 * Claim: of the messages in a datagram or seqpacket socket, the child takes those that it reads; the
 * others are there for the next reader, whether the child lives, has closed the socket or has ended;
 * and what another reader takes first is not taken twice.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

static struct node node;

static void send_text(int fd, const char *text)
{
	CHECK_EQUAL(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
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

static void expect_nothing(int fd)
{
	char byte;

	CHECK_EQUAL(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	CHECK_EQUAL(errno, EAGAIN);
}

enum after { LIVES, CLOSES, ENDS };

/* The child reads two of four, tells, and does what is to be done then; or it reads none. */
static void check(int type, unsigned reads, enum after after)
{
	static const char *const texts[] = { "one", "two", "", "four" };
	int ends[2], said[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, type, 0, ends));
	CHECK_CALL(pipe(said));
	for (unsigned i = 0; i < 4; i++)
		send_text(ends[0], texts[i]);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		for (unsigned i = 0; i < reads; i++)
			expect_message(ends[1], texts[i]);
		if (after == CLOSES)
			close(ends[1]);
		stream_tell(said[1]);
		if (after == ENDS)
			_exit(0);
		for (;;)
			pause();
	}
	stream_hear(said[0]);
	if (after == ENDS)
		test_expect_exit(pid, 0);
	for (unsigned i = reads; i < 4; i++)
		expect_message(ends[1], texts[i]);
	expect_nothing(ends[1]);
	if (after != ENDS) {
		CHECK_CALL(kill(pid, SIGTERM));
		test_expect_signal(pid, SIGTERM);
	}
	close(ends[0]);
	close(ends[1]);
	close(said[0]);
	close(said[1]);
}

/* The child is shown the first message, which somebody else reads; its reading takes nothing else. */
static void check_race(int type)
{
	int ends[2], asked[2];
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, type, 0, ends));
	CHECK_CALL(pipe(asked));
	send_text(ends[0], "first");
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(test_poll(ends[1], POLLIN, TEST_DEADLINE_MS));
		stream_tell(asked[1]);
		test_await_signal(SIGUSR1);
		expect_message(ends[1], "first");
		_exit(0);
	}
	stream_hear(asked[0]);
	expect_message(ends[1], "first");
	send_text(ends[0], "second");
	CHECK_CALL(kill(pid, SIGUSR1));
	test_expect_exit(pid, 0);
	expect_message(ends[1], "second");
	expect_nothing(ends[1]);
	close(ends[0]);
	close(ends[1]);
	close(asked[0]);
	close(asked[1]);
}

int main(void)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	sigset_t user;

	test_begin();
	node_start(&node, NULL);
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	for (unsigned i = 0; i < 2; i++) {
		for (enum after after = LIVES; after <= ENDS; after++) {
			check(types[i], 0, after);
			check(types[i], 2, after);
		}
		check_race(types[i]);
	}
	node_stop(&node);
	return test_end();
}
