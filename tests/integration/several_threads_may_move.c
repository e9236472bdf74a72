/* SPDX-License-Identifier: MIT */
/*
 * Claim: several threads may call rfork() at the same time; each gets its own child, which runs on
 * that thread's stack, and its own rfork_error().
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <unistd.h>

#include "tests/support/node.h"

#define THREADS 6
#define MOVES 8

static struct node node;
static _Thread_local int own;

static void *move(void *number)
{
	int base = (int)(intptr_t)number * MOVES;

	for (int i = 0; i < MOVES; i++) {
		pid_t pid;

		own = base + i;
		pid = node_move_returns_twice(&node, RFORK_CLOSE_OTHERS);
		if (!pid)
			_exit(own);
		test_expect_exit(pid, base + i);
		if (i % 2) {
			CHECK_EQUAL(rfork("noport:x"), -1);
			CHECK_EQUAL(errno, EINVAL);
			CHECK(strstr(rfork_error(), "noport:x"));
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	test_begin();
	node_start(&node, NULL);
	for (intptr_t i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, move, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
	node_stop(&node);
	return test_end();
}
