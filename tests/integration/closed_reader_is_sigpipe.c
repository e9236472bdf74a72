/* SPDX-License-Identifier: MIT */
/*
 * Claim: when nobody reads the caller's standard output any more, a child that writes to it gets
 * SIGPIPE, or EPIPE if it ignores the signal, as at home; its standard error goes on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/node.h"

/* Writes until that fails; only a closed reader ends it. */
static int write_for_ever(void)
{
	static char block[65536];

	while (write(STDOUT_FILENO, block, sizeof(block)) > 0)
		;
	return errno;
}

/* Moves with a pipe as standard output, reads a little, and closes it. */
static pid_t move_and_close(struct node *node, bool ignore)
{
	int reader = test_pipe_output();
	char byte;
	pid_t pid;

	signal(SIGPIPE, ignore ? SIG_IGN : SIG_DFL);
	pid = node_move_returns_twice(node, RFORK_CLOSE_OTHERS);
	if (!pid) {
		int error;

		close(reader); /* the child has it too, and would read for itself */
		error = write_for_ever();
		_exit(error == EPIPE && dprintf(STDERR_FILENO, "child got EPIPE\n") > 0 ? 42 : 1);
	}
	test_release_output();
	CHECK_EQUAL(test_read(reader, &byte, 1), 1);
	close(reader);
	return pid;
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	test_expect_signal(move_and_close(&node, false), SIGPIPE);
	test_expect_exit(move_and_close(&node, true), 42);
	node_stop(&node);
	return test_end();
}
