/* SPDX-License-Identifier: MIT */
/*
 * Claim: what pthread_atfork() has registered is called by rfork() as by fork(): before it and
 * afterwards in the caller, and once for the child, before that leaves home.  A lock that is taken
 * before and left afterwards, as libraries do it, is free in the child.  A move and a checkpoint
 * are no forks: nothing is called.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/restart.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned prepared, parents, children;
static pid_t child_pid;

static void prepare(void)
{
	CHECK_EQUAL(pthread_mutex_lock(&lock), 0);
	prepared++;
}

static void parent(void)
{
	parents++;
	CHECK_EQUAL(pthread_mutex_unlock(&lock), 0);
}

static void child(void)
{
	children++;
	child_pid = getpid();
	CHECK_EQUAL(pthread_mutex_unlock(&lock), 0);
}

static void check_in_child(void)
{
	CHECK_EQUAL(prepared, 1);
	CHECK_EQUAL(parents, 0);
	CHECK_EQUAL(children, 1);
	/* it was called in the ghost */
	CHECK(child_pid != getpid());
	CHECK_EQUAL(pthread_mutex_trylock(&lock), 0);
}

static void fork_to(const struct node *node)
{
	pid_t pid = node_move_returns_twice(node, 0);

	if (pid == 0) {
		struct rfork_identity self = { .size = sizeof(self) };

		check_in_child();
		CHECK_CALL(rfork_self(&self));
		CHECK_EQUAL(child_pid, self.ghost);
		_exit(42);
	}
	CHECK_EQUAL(prepared, 1);
	CHECK_EQUAL(parents, 1);
	CHECK_EQUAL(children, 0);
	CHECK_EQUAL(pthread_mutex_trylock(&lock), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&lock), 0);
	test_expect_exit(pid, 42);
}

static void expect_nothing_more(unsigned calls)
{
	CHECK_EQUAL(prepared, calls);
	CHECK_EQUAL(pthread_mutex_trylock(&lock), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&lock), 0);
}

static int move(const struct node *node)
{
	unsigned before = prepared;

	mover_go(node);
	expect_nothing_more(before);
	return 0;
}

static int restarted(void)
{
	unsigned before = prepared;

	restart_point();
	return prepared == before && pthread_mutex_trylock(&lock) == 0 ? RESTART_RIGHT : 1;
}

int main(void)
{
	static const char *const names[] = { "app" };
	struct node node;
	const char *path;

	test_begin();
	path = checkpoint_path("app");
	node_start(&node, NULL);
	CHECK_EQUAL(pthread_atfork(prepare, parent, child), 0);
	fork_to(&node);
	mover_run(&node, move);
	restart_write(path, restarted);
	restart_expect(path);
	node_stop(&node);
	checkpoint_clean(names, 1);
	return test_end();
}
