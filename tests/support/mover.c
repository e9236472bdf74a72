/* SPDX-License-Identifier: MIT */
/*
 * Starts processes that move.  Called by tests of rfork_move().
 */
#define _GNU_SOURCE
#include "tests/support/mover.h"

#include <unistd.h>

void mover_go_with(const struct node *node, uint64_t flags)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = flags,
					 .key_file = node->key_file };
	int result = rfork_move_with(node->host, &options);

	if (result < 0)
		test_fail(__FILE__, __LINE__, "rfork_move: %s: %s", strerror(errno), rfork_error());
	CHECK_EQUAL(result, 0);
}

void mover_go(const struct node *node)
{
	mover_go_with(node, 0);
}

pid_t mover_start(const struct node *node, int (*body)(const struct node *node))
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid)
		_exit(body(node));
	return pid;
}

void mover_run(const struct node *node, int (*body)(const struct node *node))
{
	test_expect_exit(mover_start(node, body), 0);
}
