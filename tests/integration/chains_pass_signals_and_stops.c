/* SPDX-License-Identifier: MIT */
/*
 * Claim: in a chain of children on three nodes a signal's value goes from each process to the next, to the last one
 * and all the way back to the caller; a stop of the last shows to each parent in turn, each continues the next,
 * and the status of the last comes home through all of them.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/network.h"
#include "tests/support/process.h"
#include "tests/support/signals.h"

#define NODES 3
#define DOWN SIGUSR1
#define UP SIGUSR2
#define EXIT_CODE 42

static struct network network;

/* One more than what came in. */
static union sigval take_value(int number)
{
	return (union sigval){ .sival_int = signals_take(number).si_value.sival_int + 1 };
}

static _Noreturn void be_the_last(void)
{
	signals_queue(getppid(), UP, take_value(DOWN));
	CHECK_CALL(raise(SIGSTOP));
	signals_take(DOWN); /* an end hides that it went on */
	_exit(EXIT_CODE);
}

/* Returns the exit status. */
static int be_the_child(unsigned number)
{
	int status;
	pid_t ghost;

	if (number == NODES)
		be_the_last();
	ghost = network_move_returns_twice(&network, number, 0);
	if (!ghost)
		_exit(be_the_child(number + 1));
	signals_queue(ghost, DOWN, take_value(DOWN));
	signals_queue(getppid(), UP, take_value(UP));
	process_expect_stop_status(ghost, SIGSTOP);
	CHECK_CALL(raise(SIGSTOP));
	CHECK_CALL(kill(ghost, SIGCONT));
	process_expect_continue_status(ghost);
	signals_queue(ghost, DOWN, take_value(DOWN));
	status = test_wait(ghost);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status) + 1;
}

int main(void)
{
	sigset_t before;
	pid_t ghost;

	test_begin();
	network_start_anywhere(&network, NODES, NULL);
	signals_block_all(&before);
	ghost = network_move_returns_twice(&network, 0, 0);
	if (!ghost)
		_exit(be_the_child(1));
	signals_queue(ghost, DOWN, (union sigval){ .sival_int = 100 });
	CHECK_EQUAL(signals_take(UP).si_value.sival_int, 100 + 2 * NODES - 1);
	process_expect_stop_status(ghost, SIGSTOP);
	CHECK_CALL(kill(ghost, SIGCONT));
	process_expect_continue_status(ghost);
	signals_queue(ghost, DOWN, (union sigval){ .sival_int = 0 });
	test_expect_exit(ghost, EXIT_CODE + NODES - 1);
	signals_restore(&before);
	network_stop(&network);
	return test_end();
}
