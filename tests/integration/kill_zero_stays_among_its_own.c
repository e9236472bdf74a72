/* SPDX-License-Identifier: MIT */
/*
 * Claim: kill(0, ...) in the child reaches the child's own processes and nobody else: neither the
 * server, a session, the child of another caller, nor the caller.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"

static volatile sig_atomic_t handled;

static void handle(int signal)
{
	(void)signal;
	handled = 1;
}

static pid_t fork_sleeper(void)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		signal(SIGTERM, SIG_DFL);
		for (;;)
			pause();
	}
	return pid;
}

static _Noreturn void terminate_all(void)
{
	pid_t own = fork_sleeper();

	signal(SIGTERM, handle);
	CHECK_CALL(kill(0, SIGTERM));
	test_expect_signal(own, SIGTERM);
	_exit(handled ? 42 : 1);
}

static _Noreturn void stop_all(void)
{
	CHECK_CALL(kill(0, SIGSTOP));
	_exit(43);
}

static _Noreturn void kill_all(void)
{
	CHECK_CALL(kill(0, SIGKILL));
	_exit(44);
}

static pid_t move(const struct node *node, void (*be_the_child)(void))
{
	pid_t ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);

	if (!ghost)
		be_the_child();
	return ghost;
}

static _Noreturn void be_a_neighbour(void)
{
	dprintf(1, "%d\n", (int)getpid());
	for (;;)
		pause();
}

static void expect_quiet(const struct node *node, pid_t neighbour)
{
	char state = process_state(neighbour);

	CHECK(state == 'S' || state == 'R');
	node_expect_service(node);
}

int main(void)
{
	pid_t ghost, neighbour_ghost, neighbour;
	struct node node;
	int reader;

	test_begin();
	node_start(&node, NULL);
	reader = test_pipe_output();
	neighbour_ghost = move(&node, be_a_neighbour);
	test_release_output();
	neighbour = (pid_t)test_read_number(reader);
	process_expect_going(neighbour);

	test_expect_exit(move(&node, terminate_all), 42);
	expect_quiet(&node, neighbour);
	ghost = move(&node, stop_all);
	process_expect_stop_status(ghost, SIGSTOP);
	expect_quiet(&node, neighbour);
	CHECK_CALL(kill(ghost, SIGCONT));
	test_expect_exit(ghost, 43);
	test_expect_signal(move(&node, kill_all), SIGKILL);
	expect_quiet(&node, neighbour);

	CHECK_CALL(kill(neighbour_ghost, SIGTERM));
	test_expect_signal(neighbour_ghost, SIGTERM);
	close(reader);
	node_stop(&node);
	return test_end();
}
