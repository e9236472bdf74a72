/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets of every kind that travels, and connections to them.
 */
#ifndef TEST_SUPPORT_LISTENING_H
#define TEST_SUPPORT_LISTENING_H

#include <sys/socket.h>

#include "tests/support/test.h"

enum listening_kind {
	LISTENING_TCP,
	LISTENING_TCP6,
	LISTENING_UNIX,
	LISTENING_SEQPACKET,
	LISTENING_KINDS,
};

struct listening {
	int fd; /* inherited, blocking */
	int family, type;
	struct sockaddr_storage address;
	socklen_t address_bytes;
};

/* Listens on loopback, or under a name that the kernel finds; false if this machine has no such thing. */
bool listening_start(struct listening *listening, enum listening_kind kind);

/* A connection to it, close-on-exec; or -1 with errno. */
int listening_try(const struct listening *listening);

/* The same, which must succeed. */
int listening_connect(const struct listening *listening);

/* Accepts within the deadline. */
int listening_accept(int fd);

#endif
