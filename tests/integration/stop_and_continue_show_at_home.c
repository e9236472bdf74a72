/* SPDX-License-Identifier: MIT */
/*
 * Claim: a stop signal to the ghost stops the child on the node, a child that stops itself stops
 * its ghost, and SIGCONT to the ghost continues both; waitpid() at home tells each change.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

/* SIGUSR1 asks for a sign of life, SIGUSR2 for a stop. */
static _Noreturn void be_the_child(void)
{
	sigset_t asked;

	sigemptyset(&asked);
	sigaddset(&asked, SIGUSR1);
	sigaddset(&asked, SIGUSR2);
	dprintf(1, "%d\n", (int)getpid());
	for (;;) {
		int signal = sigwaitinfo(&asked, NULL);

		if (signal == SIGUSR1)
			stream_tell(1);
		else if (signal == SIGUSR2)
			raise(SIGSTOP);
		else
			CHECK_EQUAL(errno, EINTR); /* continued */
	}
}

static void check(pid_t ghost, pid_t child, int reader, int send, int told)
{
	CHECK_CALL(kill(ghost, send));
	process_expect_stop_status(ghost, told);
	CHECK_EQUAL(process_state(child), 'T');
	CHECK_EQUAL(process_state(ghost), 'T');
	CHECK_CALL(kill(ghost, SIGCONT));
	process_expect_continue_status(ghost);
	process_expect_going(child);
	CHECK_CALL(kill(ghost, SIGUSR1));
	stream_hear(reader);
}

static int in_a_group_with_a_parent(void)
{
	struct node node;
	sigset_t asked, before;
	pid_t ghost, child;
	int reader;

	test_begin();
	/* in an orphaned process group, SIGTSTP, SIGTTIN and SIGTTOU stop nobody */
	CHECK_CALL(setpgid(0, 0));
	node_start(&node, NULL);
	reader = test_pipe_output();
	sigemptyset(&asked);
	sigaddset(&asked, SIGUSR1);
	sigaddset(&asked, SIGUSR2);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &asked, &before));
	ghost = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
	if (!ghost)
		be_the_child();
	signals_restore(&before);
	test_release_output();
	child = (pid_t)test_read_number(reader);
	for (int round = 0; round < 3; round++) {
		check(ghost, child, reader, SIGTSTP, SIGTSTP);
		check(ghost, child, reader, SIGTTIN, SIGTTIN);
		check(ghost, child, reader, SIGTTOU, SIGTTOU);
		check(ghost, child, reader, SIGUSR2, SIGSTOP);
	}
	CHECK_CALL(kill(ghost, SIGTERM));
	test_expect_signal(ghost, SIGTERM);
	close(reader);
	node_stop(&node);
	return test_end();
}

int main(void)
{
	return process_run(in_a_group_with_a_parent);
}
