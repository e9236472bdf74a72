/* SPDX-License-Identifier: MIT */
/*
 * Claim: where a process that moves cannot see what its parent has open, a pipe both ends of which it has
 * itself stays the parent's too: it is relayed.  As root, from whom nothing is hidden, the test starts
 * itself again as the user nobody.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

#define NOBODY 65534

static int to_child[2], from_child[2];

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

/* It has closed nothing. */
static int answer(const struct node *node)
{
	mover_go(node);
	stream_expect_text(to_child[0], "question");
	stream_write_text(from_child[1], "answer");
	return 0;
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
	CHECK_CALL(pipe(to_child));
	CHECK_CALL(pipe(from_child));
	/* from now on what we have open is root's to see */
	CHECK_CALL(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	pid = mover_start(&node, answer);
	stream_write_text(to_child[1], "question");
	stream_expect_text(from_child[0], "answer");
	test_expect_exit(pid, 0);
	CHECK_CALL(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	node_stop(&node);
	return test_end();
}
