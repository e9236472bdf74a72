/* SPDX-License-Identifier: MIT */
/*
 * Claim: a signal that a grandchild sends to the child's parent comes home although the sender has
 * ended, or is just being reaped, when the node looks who it was.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"

#define SENDERS 1000

static _Noreturn void be_the_child(void)
{
	pid_t parent = getppid();

	signal(SIGCHLD, SIG_IGN); /* the kernel reaps them at once */
	for (int i = 0; i < SENDERS; i++) {
		pid_t sender = CHECK_CALL(fork());

		if (!sender)
			_exit(sigqueue(parent, SIGRTMIN, (union sigval){ .sival_int = i }) ? 1 : 0);
		if (i % 2)
			CHECK(test_has_ended(sender, TEST_DEADLINE_MS));
	}
	signals_take(SIGUSR1); /* a child that has ended has no more to say */
	_exit(42);
}

int main(void)
{
	static bool seen[SENDERS];
	struct node node;
	sigset_t before;
	pid_t ghost;

	test_begin();
	node_start(&node, NULL);
	signals_block_all(&before);
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	for (int i = 0; i < SENDERS; i++) {
		siginfo_t info = signals_take(SIGRTMIN);

		CHECK_EQUAL(info.si_code, SI_QUEUE);
		CHECK(info.si_value.sival_int >= 0 && info.si_value.sival_int < SENDERS);
		CHECK(!seen[info.si_value.sival_int]);
		seen[info.si_value.sival_int] = true;
	}
	CHECK_CALL(kill(ghost, SIGUSR1));
	test_expect_exit(ghost, 42);
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
