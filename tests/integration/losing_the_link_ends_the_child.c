/* SPDX-License-Identifier: MIT */
/*
 * Claim: when the connection breaks while the child runs, the child ends on the node and the ghost
 * dies by SIGKILL; the server keeps nothing of them.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/proxy.h"

int main(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	struct proxy_plan plan = PROXY_PLAIN;
	struct node_load load;
	struct proxy proxy;
	struct node node;
	pid_t ghost, child;
	int reader;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	reader = test_pipe_output();
	proxy_start(&proxy, node.port, &plan);
	ghost = rfork_with(proxy.host, &options);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		for (;;)
			pause();
	}
	if (ghost < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s", rfork_error());
	child = (pid_t)test_read_number(reader);
	CHECK_CALL(kill(proxy.pid, SIGKILL));
	test_expect_signal(proxy.pid, SIGKILL);
	test_expect_signal(ghost, SIGKILL);
	CHECK(test_has_ended(child, TEST_DEADLINE_MS));
	node_expect_load(&node, load);
	node_expect_service(&node);
	node_stop(&node);
	return test_end();
}
