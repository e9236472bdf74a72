/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller that exits leaves its child running, as after fork(): what it writes still arrives,
 * what others write still reaches it, the ghost's new parent gets the status, and what the child sends to its
 * parent is no longer sent to anybody.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

static _Noreturn void be_the_child(int input)
{
	stream_expect_text(input, "the caller is gone");
	CHECK_CALL(kill(getppid(), SIGUSR1));
	stream_write_text(STDOUT_FILENO, "still here");
	stream_expect_end(input);
	_exit(42);
}

/* Exits as soon as it has told who its ghost is. */
static _Noreturn void be_the_caller(const struct node *node, const int down[2])
{
	pid_t ghost = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);

	if (!ghost) {
		close(down[1]);
		be_the_child(down[0]);
	}
	dprintf(STDOUT_FILENO, "%d\n", (int)ghost);
	_exit(0);
}

int main(void)
{
	pid_t caller, ghost;
	int reader, down[2];
	sigset_t before, pending;
	struct node node;

	test_begin(); /* orphans become ours */
	node_start(&node, NULL);
	reader = test_pipe_output();
	CHECK_CALL(pipe(down));
	signals_block_all(&before);
	caller = CHECK_CALL(fork());
	if (!caller)
		be_the_caller(&node, down);
	close(down[0]);
	test_release_output();
	ghost = (pid_t)test_read_number(reader);
	test_expect_exit(caller, 0);
	CHECK_EQUAL(node_parent_of(ghost), getpid());
	stream_write_text(down[1], "the caller is gone");
	stream_expect_text(reader, "still here");
	close(down[1]);
	test_expect_exit(ghost, 42);
	stream_expect_end(reader);
	CHECK_CALL(sigpending(&pending));
	CHECK_EQUAL(sigismember(&pending, SIGUSR1), 0);
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
