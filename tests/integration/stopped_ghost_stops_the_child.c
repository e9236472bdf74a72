/* SPDX-License-Identifier: MIT */
/*
 * Claim: SIGSTOP to the ghost, which nobody can catch, stops the child too; SIGCONT continues
 * it.  The child is not killed for the silence, and of output that was under way nothing is lost.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/process.h"

#define BYTES (64ul << 20) /* a quarter is more than all that may be under way */
#define STOPS 3u

static unsigned char *sent, *got;

static void stop_and_continue(pid_t ghost, pid_t child)
{
	CHECK_CALL(kill(ghost, SIGSTOP));
	process_expect_stop_status(ghost, SIGSTOP);
	process_expect_stopped(child);
	CHECK_CALL(kill(ghost, SIGCONT));
	process_expect_continue_status(ghost);
	process_expect_going(child);
}

static pid_t move(const struct node *node, int *reader, pid_t *child, bool writes)
{
	pid_t ghost;

	*reader = test_pipe_output();
	ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!ghost) {
		dprintf(1, "%d\n", (int)getpid());
		if (!writes)
			test_await_signal(SIGUSR1);
		else
			test_write(1, sent, BYTES);
		_exit(42);
	}
	test_release_output();
	*child = (pid_t)test_read_number(*reader);
	return ghost;
}

static void check_idle(const struct node *node)
{
	sigset_t user, before;
	pid_t ghost, child;
	int reader;

	sigemptyset(&user);
	sigaddset(&user, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &user, &before));
	ghost = move(node, &reader, &child, false);
	CHECK_CALL(sigprocmask(SIG_SETMASK, &before, NULL));
	stop_and_continue(ghost, child);
	CHECK_CALL(kill(ghost, SIGUSR1));
	test_expect_exit(ghost, 42);
	close(reader);
}

static void check_writer(const struct node *node)
{
	pid_t ghost, child;
	int reader;

	ghost = move(node, &reader, &child, true);
	for (size_t stop = 0; stop < STOPS; stop++) {
		unsigned char *to = got + stop * (BYTES / 4);

		CHECK_EQUAL(test_read(reader, to, BYTES / 4), BYTES / 4);
		stop_and_continue(ghost, child);
	}
	CHECK_EQUAL(test_read(reader, got + STOPS * (BYTES / 4), BYTES), BYTES / 4);
	CHECK(!memcmp(got, sent, BYTES));
	test_expect_exit(ghost, 42);
	close(reader);
}

int main(void)
{
	struct node node;

	test_begin();
	sent = malloc(BYTES);
	got = malloc(2 * BYTES);
	CHECK(sent && got);
	test_fill(sent, BYTES, 4);
	node_start(&node, NULL);
	check_idle(&node);
	check_writer(&node);
	node_stop(&node);
	return test_end();
}
