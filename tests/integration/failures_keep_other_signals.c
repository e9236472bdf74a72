/* SPDX-License-Identifier: MIT */
/*
 * Claim: a failed call hides its ghost's SIGCHLD, and no other: the signal of a child that ends
 * during the call arrives, though the kernel may have merged the two.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

#define ROUNDS 100

/* Fails after the fork: only the ghost finds out that the working directory is gone. */
static void fail_to_move(const struct node *node)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };

	CHECK_EQUAL(rfork_with(node->host, &options), -1);
	CHECK_EQUAL(errno, ENOTSUP);
}

static void lose_directory(void)
{
	char path[] = "/tmp/rfork-test-XXXXXX";

	CHECK(mkdtemp(path));
	CHECK_CALL(chdir(path));
	CHECK_CALL(rmdir(path));
}

/* A child that ends once the other end of the pipe is closed, which is soon after the return. */
static pid_t start_ending_child(void)
{
	int go[2];
	pid_t child;

	CHECK_CALL(pipe(go));
	child = CHECK_CALL(fork());
	if (!child) {
		char byte;

		close(go[1]);
		_exit(read(go[0], &byte, 1) == 0 ? 5 : 1);
	}
	close(go[0]);
	close(go[1]);
	return child;
}

int main(void)
{
	struct node node;
	sigset_t set;

	test_begin();
	node_start(&node, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	CHECK_EQUAL(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	lose_directory();
	for (int round = 0; round < ROUNDS; round++) {
		sigset_t pending;
		pid_t child;

		fail_to_move(&node);
		CHECK_CALL(sigpending(&pending));
		CHECK(!sigismember(&pending, SIGCHLD));
		child = start_ending_child();
		fail_to_move(&node);
		test_await_signal(SIGCHLD);
		test_expect_exit(child, 5);
	}
	CHECK_CALL(chdir("/"));
	node_stop(&node);
	return test_end();
}
