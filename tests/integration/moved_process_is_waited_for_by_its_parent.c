/* SPDX-License-Identifier: MIT */
/*
 * Claim: to the parent of a process that moves nothing changes: waitpid() gives its exit status, its
 * signal, its stops and continuations; and pipes between them, standard output among them, go on working
 * in both directions, with what was in them before, and end of file after the process's end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

static int to_child[2], from_child[2];

static int exit_with_status(const struct node *node)
{
	mover_go(node);
	return 42;
}

static int die_by_signal(const struct node *node)
{
	mover_go(node);
	raise(SIGTERM);
	return 1;
}

static int stop_and_end(const struct node *node)
{
	mover_go(node);
	raise(SIGSTOP);
	stream_hear(to_child[0]);
	return 7;
}

static int leave_link(const struct node *node)
{
	mover_go_with(node, RFORK_DETACH);
	stream_hear(to_child[0]); /* whose end of file is a failure, which nobody hears of */
	return 1;
}

static void check_ends(const struct node *node)
{
	pid_t pid;

	test_expect_exit(mover_start(node, exit_with_status), 42);
	test_expect_signal(mover_start(node, die_by_signal), SIGTERM);
	pid = mover_start(node, stop_and_end);
	process_expect_stop_status(pid, SIGSTOP);
	CHECK_CALL(kill(pid, SIGCONT));
	process_expect_continue_status(pid);
	stream_tell(to_child[1]);
	test_expect_exit(pid, 7);
	test_expect_exit(mover_start(node, leave_link), 0);
}

static int talk(const struct node *node)
{
	close(to_child[1]);
	close(from_child[0]);
	stream_write_text(from_child[1], "before");
	stream_expect_text(to_child[0], "first ");
	mover_go(node);
	stream_expect_text(to_child[0], "second");
	stream_write_text(from_child[1], " after");
	stream_expect_text(to_child[0], "third");
	stream_expect_end(to_child[0]);
	stream_write_text(1, "output");
	return 0;
}

static void check_pipes(const struct node *node)
{
	int output = test_pipe_output();
	pid_t pid;

	stream_write_text(to_child[1], "first second");
	pid = mover_start(node, talk);
	close(from_child[1]);
	close(to_child[0]);
	test_release_output();
	stream_expect_text(from_child[0], "before after");
	stream_write_text(to_child[1], "third");
	close(to_child[1]);
	stream_expect_text(output, "output");
	test_expect_exit(pid, 0);
	stream_expect_end(output);
	stream_expect_end(from_child[0]);
	close(output);
	close(from_child[0]);
}

/* The parent sees the end of the stream while the process lives: nothing at home holds it open. */
static int close_streams(const struct node *node)
{
	int copy = CHECK_CALL(dup(from_child[1]));

	mover_go(node);
	stream_write_text(copy, "all");
	close(copy);
	close(from_child[1]);
	stream_hear(to_child[0]);
	return 3;
}

static void check_closed_pipe(const struct node *node)
{
	pid_t pid;

	CHECK_CALL(pipe2(to_child, O_CLOEXEC));
	CHECK_CALL(pipe2(from_child, O_CLOEXEC));
	pid = mover_start(node, close_streams);
	close(from_child[1]);
	close(to_child[0]);
	stream_expect_text(from_child[0], "all");
	stream_expect_end(from_child[0]);
	stream_tell(to_child[1]);
	test_expect_exit(pid, 3);
	close(from_child[0]);
	close(to_child[1]);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe2(to_child, O_CLOEXEC));
	CHECK_CALL(pipe2(from_child, O_CLOEXEC));
	check_ends(&node);
	check_pipes(&node);
	check_closed_pipe(&node);
	node_stop(&node);
	return test_end();
}
