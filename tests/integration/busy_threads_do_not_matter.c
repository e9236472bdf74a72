/* SPDX-License-Identifier: MIT */
/*
 * Claim: a caller with eight threads that malloc and free without pause can move at any moment;
 * the child has the calling thread only, and malloc works in it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/node.h"

#define THREADS 8
#define MOVES 15

static atomic_bool over;
static atomic_ulong rounds;

static void *churn(void *seed_pointer)
{
	uint64_t state = (uint64_t)(uintptr_t)seed_pointer;
	void *blocks[64] = { NULL };

	while (!over) {
		unsigned slot = test_random(&state) % 64;

		free(blocks[slot]);
		blocks[slot] = malloc(1 + test_random(&state) % (slot ? 2000 : 200000));
		CHECK(blocks[slot]);
		*(char *)blocks[slot] = 1;
		rounds++;
	}
	for (unsigned slot = 0; slot < 64; slot++)
		free(blocks[slot]);
	return NULL;
}

static unsigned count_threads(void)
{
	DIR *directory = opendir("/proc/self/task");
	unsigned count = 0;

	CHECK(directory);
	for (struct dirent *entry; (entry = readdir(directory));)
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct node node;

	test_begin();
	node_start(&node, NULL);
	for (uintptr_t i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < MOVES; i++) {
		pid_t pid = node_move_returns_twice(&node, 0);

		if (!pid) {
			CHECK_EQUAL(count_threads(), 1);
			free(malloc(100000));
			_exit(i);
		}
		test_expect_exit(pid, i);
	}
	over = true;
	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
	CHECK(rounds > 0);
	node_stop(&node);
	return test_end();
}
