/* SPDX-License-Identifier: MIT */
/*
 * Claim: plain rfork() is fork(): positive in the caller, 0 in the child, and the pid is a real
 * child of the caller; every accepted form of a host's name leads to the node.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"

static void move(const char *host)
{
	pid_t caller = getpid(), pid = rfork(host);

	if (!pid)
		_exit(getpid() == caller ? 1 : 42);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork(%s): %s", host, rfork_error());
	CHECK_EQUAL(getpgid(pid), getpgrp());
	test_expect_exit(pid, 42);
}

int main(void)
{
	char text[96];
	struct node node;

	test_begin();
	CHECK_TEXT(rfork_error(), "no error");
	CHECK_TEXT(rfork_version(), "0.1.0");
	node_start(&node, NULL);
	move(node.host);
	snprintf(text, sizeof(text), "tcp://127.0.0.1:%u", node.port);
	move(text);
	snprintf(text, sizeof(text), "localhost:%u", node.port);
	move(text);
	snprintf(text, sizeof(text), "%u", node.port);
	CHECK_CALL(setenv("RFORK_PORT", text, 1));
	move("127.0.0.1");
	node_stop(&node);
	return test_end();
}
