/* SPDX-License-Identifier: MIT */
/*
 * Claim: of OpenMP a child of rfork() has exactly what a child of fork() has.  Before the first
 * parallel region all works there.  After one, the team is not there: serial code and regions of
 * one thread work, a region of more waits for ever, unless the caller has given its team up before.
 * Then the process can move, too, and be restarted from an executable; with the team it has other
 * threads, and both are refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/restart.h"

#define THREADS 4
#define NUMBERS 10000
/* A child that answers takes a fraction of it; one that waits for ever is waited for so long. */
#define HANG_MS 700

#ifdef _OPENMP

static struct node node;

static int work(int threads)
{
	int seen = 0;
	long sum = 0;

#pragma omp parallel num_threads(threads)
	{
#pragma omp atomic
		seen++;
#pragma omp for reduction(+ : sum)
		for (long i = 0; i < NUMBERS; i++)
			sum += i;
	}
	CHECK_EQUAL(sum, (long)NUMBERS * (NUMBERS - 1) / 2);
	return seen;
}

static pid_t fork_here(void)
{
	return CHECK_CALL(fork());
}

static pid_t fork_there(void)
{
	return node_move_returns_twice(&node, 0);
}

/* How many threads a region of the child has; 0: none has ended in time. */
static int ask(pid_t (*way_returns_twice)(void), int threads, bool can_hang)
{
	int ends[2], seen = 0;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = way_returns_twice();
	if (pid == 0) {
		seen = work(threads);
		test_write(ends[1], &seen, sizeof(seen));
		_exit(0);
	}
	close(ends[1]);
	if (test_poll(ends[0], POLLIN, can_hang ? HANG_MS : TEST_DEADLINE_MS))
		CHECK_EQUAL(test_read(ends[0], &seen, sizeof(seen)), sizeof(seen));
	else
		CHECK_CALL(kill(pid, SIGKILL));
	test_wait(pid);
	close(ends[0]);
	return seen;
}

static void ask_both(int threads)
{
	CHECK_EQUAL(ask(fork_here, threads, false), threads);
	CHECK_EQUAL(ask(fork_there, threads, false), threads);
}

static int move(const struct node *where)
{
	work(THREADS);
	CHECK_EQUAL(rfork_move(where->host), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK_EQUAL(work(THREADS), THREADS);
	CHECK_EQUAL(omp_pause_resource_all(omp_pause_soft), 0);
	mover_go(where);
	CHECK_EQUAL(work(THREADS), THREADS);
	return 0;
}

static int restart(void)
{
	work(THREADS);
	CHECK_EQUAL(rfork_checkpoint(0), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK_EQUAL(omp_pause_resource_all(omp_pause_soft), 0);
	restart_point();
	return work(THREADS) == THREADS ? RESTART_RIGHT : 1;
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;

	test_begin();
	path = checkpoint_path("app");
	node_start(&node, NULL);
	ask_both(THREADS);
	restart_write(path, restart);
	restart_expect(path);
	mover_run(&node, move);

	CHECK_EQUAL(work(THREADS), THREADS);
	ask_both(1);
	/* with a runtime that renews its team after fork() both must find it renewed */
	CHECK_EQUAL(ask(fork_there, THREADS, true), ask(fork_here, THREADS, true));
	CHECK_EQUAL(work(THREADS), THREADS);
	CHECK_EQUAL(omp_pause_resource_all(omp_pause_soft), 0);
	ask_both(THREADS);
	node_stop(&node);
	checkpoint_clean(names, 1);
	return test_end();
}

#else

int main(void)
{
	test_begin();
	test_skip("the compiler has no OpenMP");
}

#endif
