/* SPDX-License-Identifier: MIT */
/*
 * Claim: ten moves of one caller, one after the other, all work, and neither the caller nor the
 * server holds more after the tenth than after the first.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

static struct footprint before;

int main(void)
{
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	footprint_take(&before);
	footprint_take(&before);
	for (int i = 0; i < 10; i++) {
		pid_t pid = node_move_returns_twice(&node, 0);

		if (!pid)
			_exit(i + 1);
		test_expect_exit(pid, i + 1);
	}
	footprint_expect(&before);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
