/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets of every kind that travels.  Called by tests of accept().
 */
#define _GNU_SOURCE
#include "tests/support/listening.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t fill_address(struct listening *listening, enum listening_kind kind)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	switch (kind) {
	case LISTENING_TCP:
		memcpy(&listening->address, &v4, sizeof(v4));
		return sizeof(v4);
	case LISTENING_TCP6:
		memcpy(&listening->address, &v6, sizeof(v6));
		return sizeof(v6);
	default:
		/* only a family: the kernel finds a name, unix(7) */
		listening->address.ss_family = AF_UNIX;
		return sizeof(sa_family_t);
	}
}

bool listening_start(struct listening *listening, enum listening_kind kind)
{
	socklen_t bytes;

	memset(listening, 0, sizeof(*listening));
	bytes = fill_address(listening, kind);
	listening->family = listening->address.ss_family;
	listening->type = kind == LISTENING_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
	listening->fd = CHECK_CALL(socket(listening->family, listening->type, 0));
	if (bind(listening->fd, (struct sockaddr *)&listening->address, bytes) < 0) {
		CHECK_EQUAL(kind, LISTENING_TCP6);
		close(listening->fd);
		return false;
	}
	CHECK_CALL(listen(listening->fd, 128));
	listening->address_bytes = sizeof(listening->address);
	CHECK_CALL(getsockname(listening->fd, (struct sockaddr *)&listening->address,
			       &listening->address_bytes));
	return true;
}

int listening_try(const struct listening *listening)
{
	int fd = CHECK_CALL(socket(listening->family, listening->type | SOCK_CLOEXEC, 0));
	int error;

	if (connect(fd, (const struct sockaddr *)&listening->address, listening->address_bytes) ==
	    0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int listening_connect(const struct listening *listening)
{
	return CHECK_CALL(listening_try(listening));
}

int listening_accept(int fd)
{
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	return CHECK_CALL(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}
