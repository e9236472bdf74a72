/* SPDX-License-Identifier: MIT */
/*
 * Claim: on a node of root whose CLOCK_MONOTONIC and CLOCK_BOOTTIME show something else, both go on
 * in the child from what they showed at home, for its own children too, and deadlines that were
 * computed before the call are right after it: on a node that is far behind, and on one far ahead.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/clocks.h"
#include "tests/support/node.h"

#define HERE_S 1000000
#define AHEAD_S 2000000
#define SOON_NS 200000000 /* a move takes less, as a rule */

static void put_ahead(const struct node *node)
{
	(void)node;
	clocks_enter(AHEAD_S, AHEAD_S + HERE_S);
}

static void verify(int64_t deadline_ns)
{
	pid_t pid;

	clocks_expect_to_have_gone_on();
	clocks_expect_deadline(deadline_ns);
	pid = CHECK_CALL(fork());
	if (!pid) {
		clocks_expect_to_have_gone_on();
		_exit(3);
	}
	test_expect_exit(pid, 3);
}

static void check(const struct node *node)
{
	int64_t deadline_ns = clocks_read(CLOCK_MONOTONIC) + SOON_NS;
	pid_t pid;

	CHECK_CALL(setenv("RFORK_KEY_FILE", node->key_file, 1));
	clocks_note();
	pid = node_move_returns_twice(node, 0);
	if (!pid) {
		verify(deadline_ns);
		_exit(4);
	}
	test_expect_exit(pid, 4);
	clocks_expect_to_have_gone_on();
}

int main(void)
{
	struct node behind, ahead;

	test_begin();
	if (geteuid() != 0)
		test_skip("only root can make time namespaces");
	node_start(&behind, NULL);
	node_before_server = put_ahead;
	node_start(&ahead, NULL);
	clocks_enter(HERE_S, 2 * HERE_S);
	check(&behind);
	check(&ahead);
	node_stop(&behind);
	node_stop(&ahead);
	return test_end();
}
