/* SPDX-License-Identifier: MIT */
/*
 * Claim: what a child sends to its parent before it stops arrives although it has stopped, and a
 * parent that sees the stop has the signals already.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

#define ROUNDS 20
#define SIGNALS 3

static _Noreturn void be_the_child(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		for (int j = 0; j < SIGNALS; j++)
			signals_queue(getppid(), SIGRTMIN, (union sigval){ .sival_int = j });
		CHECK_CALL(raise(SIGSTOP));
	}
	_exit(42);
}

static void expect_pending(int number, int value)
{
	const struct timespec now = { .tv_sec = 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, number);
	CHECK_EQUAL(sigtimedwait(&set, &info, &now), number);
	CHECK_EQUAL(info.si_value.sival_int, value);
}

int main(void)
{
	struct node node;
	sigset_t before;
	pid_t ghost;

	test_begin();
	node_start(&node, NULL);
	signals_block_all(&before);
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost)
		be_the_child();
	for (int i = 0; i < ROUNDS; i++) {
		process_expect_stop_status(ghost, SIGSTOP);
		for (int j = 0; j < SIGNALS; j++)
			expect_pending(SIGRTMIN, j);
		CHECK_CALL(kill(ghost, SIGCONT));
	}
	test_expect_exit(ghost, 42);
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
