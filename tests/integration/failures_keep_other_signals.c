/* SPDX-License-Identifier: MIT */
/*
 * Claim: a failed call hides its ghost's SIGCHLD, and no other: the signal of a child that ends
 * during the call arrives, though the kernel may have merged the two.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

#define ROUNDS 20

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

static pid_t child;
static int go[2]; /* the child ends at the end of this pipe */

static void start_child(void)
{
	CHECK_CALL(pipe(go));
	child = CHECK_CALL(fork());
	if (!child) {
		char byte;

		close(go[1]);
		_exit(read(go[0], &byte, 1) == 0 ? 5 : 1);
	}
	close(go[0]);
}

/* Runs in the caller after the fork of rfork(): the child ends now, and the signals merge. */
static void end_child(void)
{
	siginfo_t ended;

	if (!child)
		return;
	close(go[1]);
	CHECK_EQUAL(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
}

int main(void)
{
	struct node node;
	sigset_t set;

	test_begin();
	node_start(&node, NULL);
	CHECK_EQUAL(pthread_atfork(NULL, end_child, NULL), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	CHECK_EQUAL(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	lose_directory();
	for (int round = 0; round < ROUNDS; round++) {
		sigset_t pending;

		child = 0;
		fail_to_move(&node);
		CHECK_CALL(sigpending(&pending));
		CHECK(!sigismember(&pending, SIGCHLD));
		start_child();
		fail_to_move(&node);
		test_await_signal(SIGCHLD);
		test_expect_exit(child, 5);
	}
	child = 0;
	CHECK_CALL(chdir("/"));
	node_stop(&node);
	return test_end();
}
