/* SPDX-License-Identifier: MIT */
/*
 * Claim: no rights are needed: server and caller of an ordinary user work.  As root the test
 * starts itself again as the user nobody.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <unistd.h>

#include "tests/support/node.h"

#define NOBODY 65534

static void become_nobody(char **arguments)
{
	CHECK_CALL(setgroups(0, NULL));
	CHECK_CALL(setgid(NOBODY));
	CHECK_CALL(setuid(NOBODY));
	if (access(test_build_path("server/rfork-server"), X_OK))
		test_skip("the user nobody cannot reach the build folder");
	/* A program started anew is dumpable again, as that of a user is. */
	execv("/proc/self/exe", arguments);
	test_skip("the user nobody cannot start this test: %s", strerror(errno));
}

int main(int count, char **arguments)
{
	struct node node;
	pid_t pid;

	(void)count;
	test_begin();
	if (!getuid())
		become_nobody(arguments);
	node_start(&node, NULL);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(getuid() != 0);
		_exit(12);
	}
	test_expect_exit(pid, 12);
	node_stop(&node);
	return test_end();
}
