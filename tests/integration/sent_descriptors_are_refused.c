/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child that sends a descriptor over a relayed socket gets EPERM, and the socket goes on; the
 * descriptor would be lost in silence otherwise, for it cannot leave the node.
 */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/stream.h"

/* Linux 6.16, include/uapi/asm-generic/socket.h; missing in older headers. */
#define PASSRIGHTS 83

static struct node node;

static ssize_t send_descriptor(int socket, int fd)
{
	struct iovec iov = { "d", 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static void check(int type)
{
	int ends[2];
	char byte;
	pid_t pid;

	CHECK_CALL(socketpair(AF_UNIX, type, 0, ends));
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK_EQUAL(send_descriptor(ends[1], 1), -1);
		CHECK_EQUAL(errno, EPERM);
		CHECK_EQUAL(send(ends[1], "x", 1, MSG_NOSIGNAL), 1);
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(recv(ends[0], &byte, 1, 0), 1);
	CHECK_EQUAL(byte, 'x');
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	int ends[2], no = 0;

	test_begin();
	CHECK_CALL(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	if (setsockopt(ends[0], SOL_SOCKET, PASSRIGHTS, &no, sizeof(no)) < 0)
		test_skip("this kernel has no SO_PASSRIGHTS");
	close(ends[0]);
	close(ends[1]);
	node_start(&node, NULL);
	check(SOCK_STREAM);
	check(SOCK_DGRAM);
	check(SOCK_SEQPACKET);
	node_stop(&node);
	return test_end();
}
