/* SPDX-License-Identifier: MIT */
/*
 * Claim: moves and forks mix: a process that has moved has remote children, waits for them, and then
 * moves on; a remote child moves itself; and what either carries by content, the program's own code among
 * it, carries it further.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

static struct node here, there;
static uint64_t flags;

static pid_t fork_to(const struct node *node)
{
	struct rfork_options options = { .size = sizeof(options),
					 .flags = flags,
					 .key_file = node->key_file };
	pid_t pid = rfork_with(node->host, &options);

	if (pid < 0)
		test_fail(__FILE__, __LINE__, "rfork: %s: %s", strerror(errno), rfork_error());
	return pid;
}

static int move_then_fork(const struct node *unused)
{
	pid_t pid;
	int ends[2];

	(void)unused;
	mover_go_with(&here, flags);
	CHECK_CALL(pipe(ends));
	pid = fork_to(&there);
	if (!pid) {
		stream_write_text(ends[1], "from the child");
		_exit(5);
	}
	stream_expect_text(ends[0], "from the child");
	test_expect_exit(pid, 5);
	mover_go_with(&there, flags);
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(6);
	test_expect_exit(pid, 6);
	mover_go_with(&here, flags);
	return 7;
}

static void check_child_that_moves(void)
{
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = fork_to(&here);
	if (!pid) {
		stream_write_text(ends[1], "before ");
		mover_go_with(&there, flags);
		stream_write_text(ends[1], "after");
		raise(SIGTERM);
		_exit(1);
	}
	stream_expect_text(ends[0], "before after");
	test_expect_signal(pid, SIGTERM);
	close(ends[0]);
	close(ends[1]);
}

static void check_both(void)
{
	test_expect_exit(mover_start(&here, move_then_fork), 7);
	check_child_that_moves();
}

int main(void)
{
	test_begin();
	node_start(&here, NULL);
	node_start(&there, NULL);
	check_both();
	flags = RFORK_SELF_CONTAINED;
	check_both();
	node_stop(&here);
	node_stop(&there);
	return test_end();
}
