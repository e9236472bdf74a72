/* SPDX-License-Identifier: MIT */
/*
 * Claim: when spare sessions or their shells have been killed, the next caller is served all the
 * same, and the server has its spares again.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

#define MAX_BELOW 64

static struct node node;

/* The session of a spare shell is its parent, a spare session's the listener. */
static bool is_session(pid_t pid)
{
	return node_parent_of(pid) == node.pid;
}

static void kill_spares(bool sessions, bool shells)
{
	bool session[MAX_BELOW];
	pid_t below[MAX_BELOW];
	unsigned count = node_descendants(node.pid, below, MAX_BELOW);
	unsigned killed = 0;

	CHECK(count >= 2);
	for (unsigned i = 0; i < count; i++)
		session[i] = is_session(below[i]);
	for (unsigned i = 0; i < count; i++)
		if (session[i] ? sessions : shells)
			killed += kill(below[i], SIGKILL) == 0;
	CHECK(killed > 0);
	/* Neither lives without the other. */
	for (unsigned i = 0; i < count; i++)
		CHECK(test_has_ended(below[i], TEST_DEADLINE_MS));
}

int main(void)
{
	struct node_load load;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	for (int which = 1; which <= 3; which++) {
		node_settle(&node); /* no spare is half made */
		kill_spares(which & 1, which & 2);
		node_expect_service(&node);
		node_expect_load(&node, load);
	}
	node_stop(&node);
	return test_end();
}
