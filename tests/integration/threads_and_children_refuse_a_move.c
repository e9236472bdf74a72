/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that would leave somebody behind does not move: neither with a second thread, nor with
 * a child process, be it running, dead and not waited for, or the ghost of a remote child; the sentence
 * says who it is, and once they are gone the process moves.  Nor does one that shares its memory or
 * descriptors with its parent.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/stream.h"

static void expect_refusal(const struct node *node, const char *names)
{
	int result = rfork_move(node->host);

	if (result == 0)
		_exit(99);
	CHECK_EQUAL(errno, ENOTSUP);
	dprintf(2, "refused: %s\n", rfork_error());
	if (!strstr(rfork_error(), names))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name \"%s\"", rfork_error(), names);
}

static void *wait_for_word(void *fd)
{
	stream_hear(*(int *)fd);
	return NULL;
}

static int have_thread(const struct node *node)
{
	pthread_t thread;
	int ends[2];

	CHECK_CALL(pipe(ends));
	CHECK_EQUAL(pthread_create(&thread, NULL, wait_for_word, &ends[0]), 0);
	expect_refusal(node, "2 threads");
	stream_tell(ends[1]);
	CHECK_EQUAL(pthread_join(thread, NULL), 0);
	mover_go(node);
	return 0;
}

static int have_child(const struct node *node)
{
	char name[32];
	int ends[2];
	pid_t pid;

	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (!pid) {
		stream_hear(ends[0]);
		_exit(5);
	}
	snprintf(name, sizeof(name), "child process %d ", (int)pid);
	expect_refusal(node, name);
	stream_tell(ends[1]);
	CHECK_CALL(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	expect_refusal(node, name);
	test_expect_exit(pid, 5);
	mover_go(node);
	return 0;
}

/* Its parent is told nothing, but it is there. */
static int have_unheard_child(const struct node *node)
{
	int ends[2];
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	CHECK_CALL(pipe(ends));
	pid = CHECK_CALL(fork());
	if (!pid) {
		stream_hear(ends[0]);
		_exit(0);
	}
	expect_refusal(node, "child process");
	stream_tell(ends[1]);
	CHECK_EQUAL(waitpid(pid, NULL, 0), -1);
	mover_go(node);
	return 0;
}

static int have_ghost(const struct node *node)
{
	pid_t ghost = node_move_returns_twice(node, 0);
	char name[32];

	if (!ghost)
		for (;;)
			pause();
	snprintf(name, sizeof(name), "child process %d ", (int)ghost);
	expect_refusal(node, name);
	CHECK_CALL(kill(ghost, SIGTERM));
	test_expect_signal(ghost, SIGTERM);
	mover_go(node);
	return 0;
}

/* A child that shares with its parent, which waits for it. */
static const struct node *shared_node;

static int be_sharing_child(void *unused)
{
	(void)unused;
	expect_refusal(shared_node, "shared with the parent");
	return 0;
}

static int share_with_child(const struct node *node, int flags)
{
	static char stack[256 << 10] __attribute__((aligned(16)));
	pid_t pid;

	shared_node = node;
	pid = CHECK_CALL(clone(be_sharing_child, stack + sizeof(stack),
			       flags | CLONE_VFORK | SIGCHLD, NULL));
	test_expect_exit(pid, 0);
	return 0;
}

static int share_memory(const struct node *node)
{
	return share_with_child(node, CLONE_VM);
}

static int share_descriptors(const struct node *node)
{
	return share_with_child(node, CLONE_FILES);
}

int main(void)
{
	struct node node;

	test_begin();
	node_start(&node, NULL);
	mover_run(&node, have_thread);
	mover_run(&node, have_child);
	mover_run(&node, have_unheard_child);
	mover_run(&node, have_ghost);
	mover_run(&node, share_memory);
	mover_run(&node, share_descriptors);
	node_stop(&node);
	return test_end();
}
