/* SPDX-License-Identifier: MIT */
/*
 * Claim: nobody on the node can connect to a listening socket of the child, which is of AF_UNIX there: its
 * name is gone when the child runs, and it has no abstract one, which everybody could reach.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/listening.h"
#include "tests/support/node.h"

static struct listening listening;

static void build(void)
{
	CHECK(listening_start(&listening, LISTENING_TCP));
}

static void verify(void)
{
	struct sockaddr_un name = { 0 };
	socklen_t bytes = sizeof(name);
	int stranger = CHECK_CALL(socket(AF_UNIX, SOCK_STREAM, 0));

	CHECK_CALL(getsockname(listening.fd, (struct sockaddr *)&name, &bytes));
	CHECK_EQUAL(name.sun_family, AF_UNIX);
	CHECK(bytes > offsetof(struct sockaddr_un, sun_path) + 1);
	CHECK_EQUAL(name.sun_path[0], '/');
	CHECK_EQUAL(connect(stranger, (struct sockaddr *)&name, bytes), -1);
	CHECK_EQUAL(errno, ENOENT);
	CHECK_EQUAL(access(name.sun_path, F_OK), -1);
}

int main(void)
{
	return node_three_beats(build, verify);
}
