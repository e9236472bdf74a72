/* SPDX-License-Identifier: MIT */
/*
 * Claim: threads that call rfork() at the same time never take each other's connections, pipes or
 * key files for descriptors of the program.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/node.h"

#define THREADS 8
#define MOVES 15

static struct node node;

/* Without RFORK_CLOSE_OTHERS: a stray descriptor is a refusal. */
static void *move(void *unused)
{
	for (int i = 0; i < MOVES; i++) {
		pid_t pid = node_move_returns_twice(&node, 0);
		int status;

		if (!pid)
			_exit(i);
		CHECK_EQUAL(waitpid(pid, &status, 0), pid);
		CHECK_EQUAL(status, i << 8);
	}
	return unused;
}

int main(void)
{
	pthread_t threads[THREADS];

	test_begin();
	node_start(&node, NULL);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, move, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
	node_stop(&node);
	return test_end();
}
