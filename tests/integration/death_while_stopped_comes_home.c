/* SPDX-License-Identifier: MIT */
/*
 * Claim: a stopped child that is killed on the node ends its ghost, which is stopped as well, in
 * the same way: by SIGKILL at once, by another signal once the child is continued.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"

static void check(const struct node *node, int signal)
{
	int reader = test_pipe_output();
	pid_t ghost, child;

	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		raise(SIGSTOP);
		_exit(0);
	}
	test_release_output();
	child = (pid_t)test_read_number(reader);
	process_expect_stop_status(ghost, SIGSTOP);
	CHECK_CALL(kill(child, signal));
	if (signal != SIGKILL) {
		CHECK_EQUAL(process_state(child), 'T');
		CHECK_CALL(kill(child, SIGCONT));
	}
	test_expect_signal(ghost, signal);
	CHECK(test_has_ended(child, TEST_DEADLINE_MS));
	close(reader);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	check(&node, SIGKILL);
	check(&node, SIGTERM);
	check(&node, SIGHUP);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
