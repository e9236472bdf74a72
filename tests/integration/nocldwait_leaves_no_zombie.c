/* SPDX-License-Identifier: MIT */
/*
 * Claim: in a caller whose SIGCHLD handler has SA_NOCLDWAIT, rfork() works as fork() does: the handler is
 * told of the end of each child, with its status, and nothing is left to wait for.  A move itself tells
 * it nothing.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

#define CHILDREN 5

static volatile sig_atomic_t told, last_status;
static volatile pid_t last_pid;

static void handle(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	CHECK_EQUAL(info->si_code, CLD_EXITED);
	last_pid = info->si_pid;
	last_status = info->si_status;
	told++;
}

/* One child after the other, as the kernel merges signals of the same kind. */
static void run_child(const struct node *node, int number)
{
	pid_t ghost;
	int sequence = told;

	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		test_await_signal(SIGUSR1);
		_exit(number);
	}
	CHECK_EQUAL(told, sequence);
	CHECK_CALL(kill(ghost, SIGUSR1));
	CHECK_EQUAL(waitpid(ghost, NULL, 0), -1);
	CHECK_EQUAL(errno, ECHILD);
	CHECK_EQUAL(process_state(ghost), 0);
	CHECK_EQUAL(told, sequence + 1);
	CHECK_EQUAL(last_pid, ghost);
	CHECK_EQUAL(last_status, number);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = handle,
				    .sa_flags = SA_SIGINFO | SA_NOCLDWAIT | SA_RESTART },
			 before;
	struct node node;
	sigset_t mask;

	test_begin();
	node_start(&node, NULL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &mask, NULL));
	CHECK_CALL(sigaction(SIGCHLD, &action, &before));
	for (int i = 0; i < CHILDREN; i++)
		run_child(&node, 10 + i);
	CHECK_CALL(sigaction(SIGCHLD, &before, NULL));
	node_stop(&node);
	return test_end();
}
