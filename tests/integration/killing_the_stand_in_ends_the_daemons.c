/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a ghost leaves at home for the daemons of its child can be killed, and takes them along:
 * by SIGKILL and by the signals that end other processes, but not by those that the caller ignores.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define DAEMONS 3

static _Noreturn void be_the_child(void)
{
	for (int i = 0; i < DAEMONS; i++) {
		if (fork())
			continue;
		setsid();
		dprintf(1, "%d\n", (int)getpid());
		for (;;)
			pause();
	}
	_exit(42);
}

static void run_case(const struct node *node, int number)
{
	pid_t ghost, daemons[DAEMONS], stand_in;
	int reader = test_pipe_output();

	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	test_release_output();
	for (int i = 0; i < DAEMONS; i++)
		daemons[i] = (pid_t)test_read_number(reader);
	test_expect_exit(ghost, 42);
	CHECK_EQUAL(process_find_ghosts(&stand_in, 1), 1);
	CHECK_CALL(kill(stand_in, SIGHUP)); /* ignored */
	for (int i = 0; i < DAEMONS; i++)
		CHECK(!test_has_ended(daemons[i], 0));
	CHECK_CALL(kill(stand_in, number));
	test_expect_signal(stand_in, number);
	for (int i = 0; i < DAEMONS; i++)
		CHECK(test_has_ended(daemons[i], TEST_DEADLINE_MS));
	stream_expect_end(reader);
	close(reader);
}

int main(void)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGINT };
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	node_expect_service(&node);
	load = node_settle(&node);
	CHECK(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		run_case(&node, signals[i]);
	node_expect_load(&node, load);
	CHECK(signal(SIGHUP, SIG_DFL) != SIG_ERR);
	node_stop(&node);
	return test_end();
}
