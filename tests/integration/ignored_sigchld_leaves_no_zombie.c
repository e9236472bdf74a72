/* SPDX-License-Identifier: MIT */
/*
 * Claim: in a caller that ignores SIGCHLD, rfork() works as fork() does: the ghost is gone when the
 * child has ended, wait() waits for all and then fails with ECHILD, the child inherits the setting, and a call that
 * fails after its fork still says why.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/footprint.h"
#include "tests/support/node.h"
#include "tests/support/process.h"
#include "tests/support/stream.h"

#define CHILDREN 5

static _Noreturn void be_the_child(int go_on)
{
	struct sigaction action;
	pid_t pid;

	CHECK_CALL(sigaction(SIGCHLD, NULL, &action));
	CHECK(action.sa_handler == SIG_IGN);
	pid = CHECK_CALL(fork());
	if (!pid)
		_exit(7);
	CHECK_EQUAL(waitpid(pid, NULL, 0), -1);
	CHECK_EQUAL(errno, ECHILD);
	stream_write_text(STDOUT_FILENO, ".");
	stream_expect_end(go_on);
	_exit(42);
}

/* A shell that reads nothing: the ghost exists, and the time runs out. */
static void fail_after_the_fork(const struct node *node)
{
	const struct rfork_options options = { .size = sizeof(options), .timeout_ms = 300 };

	process_signal_shells(node, SIGSTOP);
	footprint_expect_refusal(node->host, &options, ETIMEDOUT, NULL);
	process_signal_shells(node, SIGCONT);
}

static int run(void)
{
	pid_t ghosts[CHILDREN], server;
	struct node node;
	int reader, go_on[2];

	node_start(&node, NULL);
	server = node.pid;
	CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	node_settle(&node);
	fail_after_the_fork(&node);
	reader = test_pipe_output();
	CHECK_CALL(pipe(go_on));
	for (int i = 0; i < CHILDREN; i++) {
		ghosts[i] = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
		if (!ghosts[i]) {
			close(go_on[1]);
			be_the_child(go_on[0]);
		}
	}
	test_release_output();
	for (int i = 0; i < CHILDREN; i++)
		stream_expect_text(reader, ".");
	for (int i = 0; i < CHILDREN; i++)
		CHECK(process_state(ghosts[i]) != 0);
	close(go_on[1]);
	/* each waits until there is none of that number */
	for (int i = 0; i < CHILDREN; i++) {
		CHECK_EQUAL(waitpid(ghosts[i], NULL, 0), -1);
		CHECK_EQUAL(errno, ECHILD);
		CHECK_EQUAL(process_state(ghosts[i]), 0);
	}
	stream_expect_end(reader);
	CHECK(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
	CHECK_EQUAL(node.pid, server);
	node_stop(&node);
	return 0;
}

int main(void)
{
	test_begin();
	CHECK_EQUAL(run(), 0);
	return test_end();
}
