/* SPDX-License-Identifier: MIT */
/*
 * Claim: where children have no privilege, here those of a root server with --user, the clocks of
 * a child are its node's, both of them, and nothing fails for that.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/clocks.h"
#include "tests/support/node.h"

#define AHEAD_S 1000000

int main(void)
{
	static const char *const arguments[] = { "--user=nobody", NULL };
	const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_BOOTTIME };
	int64_t here_ns[2];
	struct node node;
	pid_t pid;

	test_begin();
	CHECK_CALL(chdir("/")); /* where every user may be */
	if (geteuid() != 0)
		test_skip("only root can make time namespaces");
	node_start(&node, arguments);
	for (int i = 0; i < 2; i++)
		here_ns[i] = clocks_read(clocks[i]);
	clocks_enter(AHEAD_S, 2 * AHEAD_S);
	pid = node_move_returns_twice(&node, 0);
	if (!pid) {
		CHECK(geteuid() != 0);
		for (int i = 0; i < 2; i++) {
			int64_t low_ns = clocks_ask(clocks[i]), now_ns = clocks_read(clocks[i]);

			CHECK(low_ns <= now_ns && now_ns <= clocks_ask(clocks[i]));
			CHECK(low_ns >= here_ns[i] && low_ns < here_ns[i] + CLOCKS_LIMIT_NS);
		}
		_exit(5);
	}
	test_expect_exit(pid, 5);
	node_stop(&node);
	return test_end();
}
