/* SPDX-License-Identifier: MIT */
/*
 * Claim: a child can move on, ten hops deep: memory counts the hops, the statuses come home
 * through all ghosts, and the number of mappings and descriptors stays the same at every hop.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"

#define HOPS 10

static struct node node;
static struct footprint first, now;

static unsigned count_fds(const struct footprint *footprint)
{
	unsigned count = 0;

	for (int fd = 0; fd < FOOTPRINT_FDS; fd++)
		count += footprint->fds[fd][0] != '\0';
	return count;
}

static int hop(int number)
{
	pid_t pid;

	footprint_take(&now);
	if (number == 1)
		first = now;
	if (number >= 1) {
		CHECK_EQUAL(count_fds(&now), count_fds(&first));
		footprint_expect_maps(&now, &first);
	}
	if (number == HOPS)
		return HOPS;
	pid = node_move_returns_twice(&node, 0);
	if (!pid)
		_exit(hop(number + 1));
	test_expect_exit(pid, HOPS);
	return HOPS;
}

int main(void)
{
	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	CHECK_EQUAL(hop(0), HOPS);
	node_stop(&node);
	return test_end();
}
