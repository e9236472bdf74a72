/* SPDX-License-Identifier: MIT */
/*
 * Claim: whenever undump is killed while it looks at a process, that goes on as if nothing had
 * been: its waits do not end early, its signal mask and registers are its own, and nothing is left
 * traced.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tests/support/process.h"
#include "tests/support/target.h"
#include "tools/process_reader.h"

#define ROUNDS 200
#define LONGEST_NS 3000000u

enum { READY, COUNT, FINISH, WOKEN, OPENED };

static struct target *shared;

static void *sleep_long(void *unused)
{
	struct timespec left = { .tv_sec = 1000 };

	(void)unused;
	/* the one thing that is not kept: a wait with an end in time may be told that a signal
	 * came */
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	target_add(shared, WOKEN);
	return NULL;
}

static void *pause_for_ever(void *unused)
{
	(void)unused;
	pause();
	target_add(shared, WOKEN);
	return NULL;
}

/* Live in every register that a compiler likes, and the mask of the kernel. */
static int compute(struct target *target, uint64_t mask)
{
	double sum = 0, expected = 0;
	uint64_t a = 1, b = 1, now = 0;

	while (!atomic_load(&target->words[FINISH])) {
		for (int i = 0; i < 200; i++) {
			a = a * 6364136223846793005u + 1442695040888963407u;
			sum += (double)(a >> 40);
			b = b * 6364136223846793005u + 1442695040888963407u;
			expected += (double)(b >> 40);
		}
		CHECK(a == b && sum == expected);
		syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, sizeof(now));
		CHECK_EQUAL(now, mask);
		target_add(target, COUNT);
	}
	CHECK_EQUAL(atomic_load(&target->words[WOKEN]), 0);
	return 0;
}

static int run(struct target *target)
{
	uint64_t mask = UINT64_C(1) << (SIGUSR2 - 1) | UINT64_C(1) << (SIGRTMAX - 1);
	pthread_t threads[2];

	shared = target;
	CHECK_EQUAL(pthread_create(&threads[0], NULL, sleep_long, NULL), 0);
	CHECK_EQUAL(pthread_create(&threads[1], NULL, pause_for_ever, NULL), 0);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask));
	target_set(target, READY, 1);
	return compute(target, mask);
}

/* undump, over and over. */
_Noreturn static void look(struct target *target)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	for (;;) {
		struct rf_report report = { 0 };
		struct rf_source source;

		if (rf_process_open(&source, target->pid, NULL, &report) == 0)
			target_add(target, OPENED);
		rf_source_close(&source);
	}
}

static void spin_ns(int64_t ns)
{
	int64_t until_ns = rf_io_now_ns() + ns;

	while (rf_io_now_ns() < until_ns)
		;
}

int main(void)
{
	uint64_t seed;
	struct target target;

	test_begin();
	seed = test_seed();
	target_start(&target, run, 0);
	target_await(&target, READY, 1);
	for (int round = 0; round < ROUNDS; round++) {
		pid_t pid = CHECK_CALL(fork());

		if (!pid)
			look(&target);
		test_guard_process(pid);
		if (round % 4 == 0) /* also late in its first look, and between looks */
			target_await(&target, OPENED, atomic_load(&target.words[OPENED]) + 1);
		spin_ns((int64_t)(test_random(&seed) % LONGEST_NS));
		CHECK_CALL(kill(pid, SIGKILL));
		test_expect_signal(pid, SIGKILL);
		test_forget_process(pid);
		target_await(&target, COUNT, atomic_load(&target.words[COUNT]) + 1);
	}
	target_set(&target, FINISH, 1);
	target_end(&target);
	return test_end();
}
