/* SPDX-License-Identifier: MIT */
/*
 * Claim: what rfork(7) says of a socket in the child: it is one of AF_UNIX of the same type without an error,
 * whose names have no address; options of another family are refused; shutdown() ends either direction and
 * leaves the other; after the other side has gone, by a reset as well, there is end of file, then EPIPE,
 * and SO_ERROR has nothing that was told before.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"
#include "tests/support/stream.h"

static struct node node;
static int ours, theirs; /* the ends of a TCP connection or of a pair */

static pid_t move_returns_twice(enum listening_kind kind)
{
	struct listening listening;
	pid_t pid;

	CHECK(listening_start(&listening, kind));
	ours = listening_connect(&listening);
	theirs = listening_accept(listening.fd);
	close(listening.fd);
	pid = node_move_returns_twice(&node, 0);
	close(pid ? theirs : ours);
	return pid;
}

static int get_option(int option)
{
	socklen_t bytes = sizeof(int);
	int value = -1;

	CHECK_CALL(getsockopt(theirs, SOL_SOCKET, option, &value, &bytes));
	return value;
}

static void expect_socket(int type)
{
	struct sockaddr_un name;
	socklen_t bytes = sizeof(name);
	int yes = 1;

	CHECK_EQUAL(get_option(SO_TYPE), type);
	CHECK_EQUAL(get_option(SO_DOMAIN), AF_UNIX);
	CHECK_EQUAL(get_option(SO_ERROR), 0);
	CHECK_EQUAL(get_option(SO_ACCEPTCONN), 0);
	CHECK_CALL(getpeername(theirs, (struct sockaddr *)&name, &bytes));
	CHECK_EQUAL(bytes, sizeof(sa_family_t));
	CHECK_EQUAL(name.sun_family, AF_UNIX);
	bytes = sizeof(name);
	CHECK_CALL(getsockname(theirs, (struct sockaddr *)&name, &bytes));
	CHECK_EQUAL(bytes, sizeof(sa_family_t));
	CHECK_EQUAL(setsockopt(theirs, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)), -1);
	CHECK_EQUAL(errno, EOPNOTSUPP);
}

static void expect_no_reader(void)
{
	CHECK(test_poll(theirs, POLLHUP, TEST_DEADLINE_MS));
	CHECK_EQUAL(send(theirs, "x", 1, MSG_NOSIGNAL), -1);
	CHECK_EQUAL(errno, EPIPE);
	CHECK_EQUAL(get_option(SO_ERROR), 0);
}

static void check_answers(enum listening_kind kind)
{
	pid_t pid = move_returns_twice(kind);

	if (!pid) {
		expect_socket(kind == LISTENING_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	close(ours);
}

/* What the child does not want to read any more stays at home; it goes on sending. */
static void check_shutdown_of_reading(enum listening_kind kind)
{
	pid_t pid = move_returns_twice(kind);
	char byte;

	if (!pid) {
		CHECK_CALL(shutdown(theirs, SHUT_RD));
		CHECK_EQUAL(recv(theirs, &byte, 1, 0), 0);
		stream_write_text(theirs, "still here");
		_exit(0);
	}
	stream_expect_text(ours, "still here");
	test_expect_exit(pid, 0);
	close(ours);
}

static void check_shutdown_of_both(enum listening_kind kind)
{
	pid_t pid = move_returns_twice(kind);
	char byte;

	if (!pid) {
		stream_write_text(theirs, "last");
		CHECK_CALL(shutdown(theirs, SHUT_RDWR));
		CHECK_EQUAL(recv(theirs, &byte, 1, 0), 0);
		expect_no_reader();
		pause();
	}
	stream_expect_text(ours, "last");
	CHECK(test_poll(ours, POLLIN, TEST_DEADLINE_MS));
	CHECK_EQUAL(recv(ours, &byte, 1, 0), 0);
	CHECK_CALL(kill(pid, SIGTERM));
	test_expect_signal(pid, SIGTERM);
	close(ours);
}

static void check_reset(void)
{
	struct linger at_once = { .l_onoff = 1 };
	pid_t pid = move_returns_twice(LISTENING_TCP);
	char byte;

	if (!pid) {
		CHECK(test_poll(theirs, POLLIN, TEST_DEADLINE_MS));
		CHECK_AT_MOST(recv(theirs, &byte, 1, 0), 0);
		expect_no_reader();
		_exit(0);
	}
	CHECK_CALL(setsockopt(ours, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)));
	close(ours);
	test_expect_exit(pid, 0);
}

int main(void)
{
	static const enum listening_kind kinds[] = { LISTENING_TCP, LISTENING_UNIX,
						     LISTENING_SEQPACKET };

	test_begin();
	node_start(&node, NULL);
	for (unsigned i = 0; i < 3; i++) {
		check_answers(kinds[i]);
		check_shutdown_of_reading(kinds[i]);
		check_shutdown_of_both(kinds[i]);
	}
	check_reset();
	node_stop(&node);
	return test_end();
}
