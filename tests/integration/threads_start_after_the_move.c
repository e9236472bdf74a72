/* SPDX-License-Identifier: MIT */
/*
 * Claim: the child can make threads and join them, which needs the tid address, thread-local
 * storage and the stack cache to be in order.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "tests/support/node.h"

#define THREADS 8
#define ROUNDS 1000

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int own;
static int sum;

static void *work(void *unused)
{
	(void)unused;
	CHECK_EQUAL(own, 0);
	for (int i = 0; i < ROUNDS; i++) {
		own++;
		pthread_mutex_lock(&mutex);
		sum++;
		pthread_mutex_unlock(&mutex);
	}
	CHECK_EQUAL(own, ROUNDS);
	return &mutex;
}

static void run_threads(void)
{
	pthread_t threads[THREADS];
	void *result;

	sum = 0;
	for (int i = 0; i < THREADS; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQUAL(pthread_join(threads[i], &result), 0);
		CHECK(result == &mutex);
	}
	CHECK_EQUAL(sum, THREADS * ROUNDS);
}

int main(void)
{
	return node_three_beats(run_threads, run_threads);
}
