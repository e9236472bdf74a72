/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller that waits for any child meets each ghost exactly once, with its child's status, among
 * its local children, and nobody else: with wait() in a row, and with a SIGCHLD handler that reaps
 * whatever has ended while further children are being made.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

#define CHILDREN 24

/* By number: children of even ones are local. */
static volatile pid_t pids[CHILDREN];
/* What has been reaped, in order. */
static volatile pid_t reaped[2 * CHILDREN];
static volatile int statuses[2 * CHILDREN];
static volatile sig_atomic_t count;

static void note(pid_t pid, int status)
{
	CHECK(count < 2 * CHILDREN);
	reaped[count] = pid;
	statuses[count] = status;
	count++;
}

static void reap(int number)
{
	int error = errno, status;
	pid_t pid;

	(void)number;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note(pid, status);
	errno = error;
}

/* Half of them live until they are told, so that ends and moves come mixed. */
static int make_children(const struct node *node)
{
	int go_on[2];
	char byte;

	count = 0;
	CHECK_CALL(pipe(go_on));
	for (int i = 0; i < CHILDREN; i++) {
		pid_t pid = i % 2 ? node_move_returns_twice(node, RFORK_CLOSE_OTHERS)
				  : CHECK_CALL(fork());

		if (!pid) {
			close(go_on[1]);
			if (i % 4 < 2)
				CHECK_EQUAL(read(go_on[0], &byte, 1), 0);
			_exit(100 + i);
		}
		pids[i] = pid;
	}
	close(go_on[0]);
	return go_on[1];
}

static void expect_each_once(void)
{
	CHECK_EQUAL(count, CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		int found = 0;

		for (int j = 0; j < count; j++) {
			if (reaped[j] != pids[i])
				continue;
			CHECK(WIFEXITED(statuses[j]));
			CHECK_EQUAL(WEXITSTATUS(statuses[j]), 100 + i);
			found++;
		}
		CHECK_EQUAL(found, 1);
	}
	CHECK_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_EQUAL(errno, ECHILD);
}

static void wait_in_a_row(const struct node *node)
{
	int status;
	pid_t pid;

	close(make_children(node));
	while ((pid = wait(&status)) > 0)
		note(pid, status);
	CHECK_EQUAL(errno, ECHILD);
	expect_each_once();
}

static void reap_in_a_handler(const struct node *node)
{
	struct sigaction action = { .sa_handler = reap, .sa_flags = SA_RESTART };
	sigset_t none, chld;
	int hold;

	CHECK_CALL(sigaction(SIGCHLD, &action, NULL));
	hold = make_children(node);
	sigemptyset(&none);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &chld, NULL));
	close(hold);
	while (count < CHILDREN)
		sigsuspend(&none); /* the whole test has a deadline */
	CHECK_CALL(sigprocmask(SIG_UNBLOCK, &chld, NULL));
	expect_each_once();
}

int main(void)
{
	struct node node;
	pid_t caller;

	test_begin();
	node_start(&node, NULL);
	caller = CHECK_CALL(fork()); /* the server is a child of ours */
	if (!caller) {
		alarm(TEST_DEADLINE_MS / 1000);
		wait_in_a_row(&node);
		reap_in_a_handler(&node);
		_exit(0);
	}
	test_guard_process(caller);
	test_expect_exit(caller, 0);
	test_forget_process(caller);
	node_stop(&node);
	return test_end();
}
