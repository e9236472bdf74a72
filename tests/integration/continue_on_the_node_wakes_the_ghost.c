/* SPDX-License-Identifier: MIT */
/*
 * Claim: when somebody on the node continues a child that has stopped itself, its ghost goes on
 * too, and waitpid() at home tells it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define ROUNDS 3

int main(void)
{
	struct node node;
	pid_t ghost, child;
	sigset_t user;
	int reader;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, NULL));
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		for (int round = 0; round < ROUNDS; round++) {
			raise(SIGSTOP);
			stream_tell(1);
			/* another stop would hide from waitpid() that it went on */
			test_await_signal(SIGUSR1);
		}
		_exit(42);
	}
	test_release_output();
	child = (pid_t)test_read_number(reader);
	for (int round = 0; round < ROUNDS; round++) {
		process_expect_stop_status(ghost, SIGSTOP);
		CHECK_EQUAL(process_state(child), 'T');
		stream_expect_nothing(reader);
		CHECK_CALL(kill(child, SIGCONT));
		process_expect_continue_status(ghost);
		stream_hear(reader);
		CHECK_CALL(kill(ghost, SIGUSR1));
	}
	test_expect_exit(ghost, 42);
	close(reader);
	node_stop(&node);
	return test_end();
}
