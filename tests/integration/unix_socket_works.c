/* SPDX-License-Identifier: MIT */
/*
 * Claim: a server that listens on a unix socket takes callers by unix:PATH, and removes the
 * socket when it ends.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"

int main(void)
{
	char folder[] = "/tmp/rfork-test-XXXXXX", where[64];
	const char *arguments[] = { "--listen", where, NULL };
	struct node node;
	pid_t pid;

	test_begin();
	CHECK(mkdtemp(folder));
	snprintf(where, sizeof(where), "unix:%s/socket", folder);
	node_start(&node, arguments);
	pid = rfork(where);
	if (!pid)
		_exit(8);
	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	test_expect_exit(pid, 8);
	node_stop(&node);
	CHECK_CALL(rmdir(folder));
	return test_end();
}
