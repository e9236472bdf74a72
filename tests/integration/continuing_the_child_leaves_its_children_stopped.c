/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGCONT to the ghost continues the child, but not a process that the child has started and
 * that has stopped for a reason of its own.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"

static _Noreturn void be_the_child(void)
{
	pid_t pid = CHECK_CALL(fork());
	siginfo_t info = { .si_pid = 0 };

	if (!pid) {
		raise(SIGSTOP);
		_exit(0);
	}
	process_expect_stop_status(pid, SIGSTOP);
	raise(SIGSTOP);
	/* A SIGCONT for all of us came to the other before we could see that it came to us. */
	CHECK_CALL(waitid(P_PID, (id_t)pid, &info, WCONTINUED | WEXITED | WNOHANG));
	CHECK_EQUAL(info.si_pid, 0);
	CHECK_EQUAL(process_state(pid), 'T');
	CHECK_CALL(kill(pid, SIGCONT));
	test_expect_exit(pid, 0);
	_exit(42);
}

int main(void)
{
	struct node node;
	pid_t ghost;

	test_begin();
	node_start(&node, NULL);
	ghost = node_move_returns_twice(&node, 0);
	if (!ghost)
		be_the_child();
	process_expect_stop_status(ghost, SIGSTOP);
	CHECK_CALL(kill(ghost, SIGCONT));
	process_expect_continue_status(ghost);
	test_expect_exit(ghost, 42);
	node_stop(&node);
	return test_end();
}
