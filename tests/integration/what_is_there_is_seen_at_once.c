/* SPDX-License-Identifier: MIT */
/*
 * Claim: what streams hold at the call is there for the child's first instruction, as after fork(): it
 * polls without waiting, and reads without blocking, and finds bytes, messages, the end of a stream, and
 * that nobody reads any more.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

#define STREAMS 100

static struct {
	int full[2], ended[2], unread[2], socket[2], shut[2], messages[2], empty[2];
	int many[STREAMS][2];
} ends;

static short poll_now(int fd, short events)
{
	struct pollfd polled = { .fd = fd, .events = events };

	CHECK_CALL(poll(&polled, 1, 0));
	return polled.revents;
}

static void build(void)
{
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	CHECK_CALL(pipe2(ends.full, O_NONBLOCK));
	CHECK_CALL(pipe(ends.ended));
	CHECK_CALL(pipe(ends.unread));
	CHECK_CALL(pipe(ends.empty));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.socket));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends.messages));
	for (int i = 0; i < STREAMS; i++) {
		CHECK_CALL(pipe(ends.many[i]));
		stream_tell(ends.many[i][1]);
	}
	stream_write_text(ends.full[1], "was here before");
	stream_write_text(ends.ended[1], "last");
	stream_write_text(ends.socket[1], "on a socket");
	CHECK_EQUAL(send(ends.messages[1], "one", 3, 0), 3);
	close(ends.ended[1]);
	close(ends.unread[0]);
	CHECK_CALL(shutdown(ends.socket[1], SHUT_WR));
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.shut));
	CHECK_CALL(shutdown(ends.shut[0], SHUT_WR));
}

static void verify(void)
{
	char text[64];

	CHECK_EQUAL(poll_now(ends.full[0], POLLIN), POLLIN);
	CHECK_EQUAL(read(ends.full[0], text, sizeof(text)), 15);
	CHECK_EQUAL(poll_now(ends.full[0], POLLIN), 0);
	CHECK_EQUAL(poll_now(ends.ended[0], POLLIN) & POLLIN, POLLIN);
	stream_expect_text(ends.ended[0], "last");
	CHECK_EQUAL(poll_now(ends.ended[0], POLLIN), POLLHUP);
	CHECK_EQUAL(poll_now(ends.unread[1], POLLOUT) & POLLERR, POLLERR);
	CHECK_EQUAL(write(ends.unread[1], "x", 1), -1);
	CHECK_EQUAL(errno, EPIPE);
	CHECK_EQUAL(recv(ends.socket[0], text, sizeof(text), MSG_DONTWAIT), 11);
	CHECK_EQUAL(recv(ends.socket[0], text, sizeof(text), MSG_DONTWAIT), 0);
	CHECK_EQUAL(write(ends.shut[0], "x", 1), -1);
	CHECK_EQUAL(errno, EPIPE);
	CHECK_EQUAL(recv(ends.messages[0], text, sizeof(text), MSG_DONTWAIT), 3);
	CHECK_EQUAL(poll_now(ends.empty[0], POLLIN), 0);
	for (int i = 0; i < STREAMS; i++)
		CHECK_EQUAL(poll_now(ends.many[i][0], POLLIN), POLLIN);
}

int main(void)
{
	return node_three_beats(build, verify);
}
