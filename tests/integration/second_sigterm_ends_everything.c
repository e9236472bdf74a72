/* SPDX-License-Identifier: MIT */
/*
 * Claim: after the first SIGTERM the server waits for a running child; the second ends the child
 * and all its descendants, one in a session of its own too, and the server exits.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

static struct node node;

static _Noreturn void wait_for_the_end(void)
{
	for (;;)
		pause();
}

/* In the child: a grandchild out of reach of signals to the group. */
static _Noreturn void live(void)
{
	pid_t pid = fork();

	if (!pid) {
		CHECK_CALL(setsid());
		dprintf(1, "%d\n%d\n", (int)getppid(), (int)getpid());
		wait_for_the_end();
	}
	CHECK(pid > 0);
	wait_for_the_end();
}

/* A refusal is the event that tells that the signal has been taken. */
static void await_refusal(void)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	int64_t end_ms = test_now_ms() + TEST_DEADLINE_MS;
	pid_t pid;

	do {
		CHECK(test_now_ms() < end_ms);
		pid = rfork_with(node.host, &options);
		if (!pid)
			_exit(0);
		if (pid > 0)
			test_wait(pid);
	} while (pid > 0 || errno != ECONNREFUSED);
}

int main(void)
{
	pid_t ghost, child, grandchild, below[64];
	unsigned count;
	int reader;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		live();
	child = (pid_t)test_read_number(reader);
	grandchild = (pid_t)test_read_number(reader);
	CHECK_CALL(kill(node.pid, SIGTERM));
	await_refusal();
	CHECK_CALL(kill(child, 0));
	CHECK_CALL(kill(grandchild, 0));
	CHECK(!test_has_ended(node.pid, 0));
	count = node_descendants(node.pid, below, 64);
	CHECK(count >= 3); /* the session and these two */
	CHECK_CALL(kill(node.pid, SIGTERM));
	test_expect_signal(ghost, SIGKILL);
	test_expect_exit(node.pid, 0);
	test_forget_process(node.pid);
	/* The server waits for all of them: no time is given. */
	for (unsigned i = 0; i < count; i++)
		CHECK(test_has_ended(below[i], 0));
	CHECK(test_has_ended(child, 0) && test_has_ended(grandchild, 0));
	test_remove_directory(node.directory);
	return test_end();
}
