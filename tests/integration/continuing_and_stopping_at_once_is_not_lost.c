/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGCONT and, directly after it, SIGTSTP to a stopped child that catches SIGTSTP: the child goes on
 * and runs its handler, although the second signal takes the first away where both are pending.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

#define ROUNDS 20

static volatile sig_atomic_t handled;

static void handle(int number)
{
	handled = number;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handle };
	struct node node;
	sigset_t stop;

	test_begin();
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	node_start(&node, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = node_move_returns_twice(&node, 0);

		if (!pid) {
			CHECK_CALL(sigaction(SIGTSTP, &action, NULL));
			CHECK_CALL(sigprocmask(SIG_BLOCK, &stop, NULL));
			raise(SIGSTOP);
			signals_await_flag(SIGTSTP, &handled);
			_exit(handled == SIGTSTP ? 42 : 1);
		}
		process_expect_stop_status(pid, SIGSTOP);
		CHECK_CALL(kill(pid, SIGCONT));
		CHECK_CALL(kill(pid, SIGTSTP));
		test_expect_exit(pid, 42);
	}
	node_stop(&node);
	return test_end();
}
