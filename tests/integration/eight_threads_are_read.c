/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process of eight threads, which wait, sleep, read and compute, is stopped as a whole,
 * however often; each thread's registers are such that it can go on elsewhere, and here each goes
 * on as if it had never been stopped: no wait ends early, no number is lost.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tests/support/target.h"
#include "tools/process_reader.h"

#define THREADS 8
#define ROUNDS 50

enum { READY, COUNT, FINISH, WOKEN, TIDS };

static struct target *shared;
static int pipe_ends[2];

/* The first instruction of a system call is two bytes before where it returns. */
static void *wait_for_futex(void *unused)
{
	static int never;

	(void)unused;
	target_set(shared, TIDS + 0, gettid());
	while (!atomic_load(&shared->words[FINISH]))
		if (syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) < 0)
			target_add(shared, WOKEN);
	return NULL;
}

static void *sleep_long(void *unused)
{
	struct timespec long_time = { .tv_sec = 1000 };

	(void)unused;
	target_set(shared, TIDS + 1, gettid());
	if (nanosleep(&long_time, NULL) < 0)
		target_add(shared, WOKEN);
	return NULL;
}

static void *read_pipe(void *unused)
{
	char byte;

	(void)unused;
	target_set(shared, TIDS + 2, gettid());
	if (read(pipe_ends[0], &byte, 1) != 1)
		target_add(shared, WOKEN);
	return NULL;
}

static void *pause_for_ever(void *unused)
{
	(void)unused;
	target_set(shared, TIDS + 3, gettid());
	pause();
	target_add(shared, WOKEN);
	return NULL;
}

/* Live in every register that a compiler likes; wrong once one of them is. */
static void *compute(void *index)
{
	unsigned slot = (unsigned)(uintptr_t)index;
	double sum = 0, expected = 0;
	uint64_t a = 1, b = 1;

	target_set(shared, TIDS + slot, gettid());
	while (!atomic_load(&shared->words[FINISH])) {
		for (int i = 0; i < 1000; i++) {
			a = a * 6364136223846793005u + 1442695040888963407u;
			sum += (double)(a >> 40);
			b = b * 6364136223846793005u + 1442695040888963407u;
			expected += (double)(b >> 40);
		}
		CHECK(a == b && sum == expected);
		target_add(shared, COUNT);
	}
	return NULL;
}

static int run(struct target *target)
{
	void *(*const bodies[])(void *) = { wait_for_futex, sleep_long, read_pipe, pause_for_ever };
	pthread_t threads[THREADS];

	shared = target;
	CHECK_CALL(pipe(pipe_ends));
	for (uintptr_t i = 0; i < THREADS - 1; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, i < 4 ? bodies[i] : compute,
					   (void *)i),
			    0);
	target_set(target, READY, 1);
	target_await(target, FINISH, 1);
	for (int i = 4; i < THREADS - 1; i++)
		CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
	return 0;
}

static const struct rf_image_registers *find_thread(const struct rf_source *source, int tid)
{
	for (uint32_t i = 0; i < source->image.head.threads; i++)
		if (source->image.threads[i].image.tid == (uint32_t)tid)
			return &source->image.threads[i].image.registers;
	test_fail(__FILE__, __LINE__, "thread %d is not in the source", tid);
}

/* It will make its call again, or find it interrupted. */
static void check_call(const struct rf_source *source, const struct target *target, int slot,
		       long number, bool is_interrupted)
{
	const struct rf_image_registers *registers =
		find_thread(source, atomic_load(&target->words[TIDS + slot]));
	unsigned char code[2];

	CHECK_EQUAL(registers->orig_rax, UINT64_MAX);
	if (is_interrupted && registers->rax == (uint64_t)-EINTR)
		return;
	/* it may be about to go on with a wait that was interrupted: elsewhere, that returns
	 * -EINTR */
	if (!is_interrupted || registers->rax != SYS_restart_syscall)
		CHECK_EQUAL(registers->rax, number);
	CHECK_EQUAL(rf_source_read((struct rf_source *)source, registers->rip, code, 2), 2);
	CHECK(code[0] == 0x0f && code[1] == 0x05);
}

static void check_threads(const struct rf_source *source, const struct target *target)
{
	CHECK_EQUAL(source->image.head.threads, THREADS);
	CHECK_EQUAL(source->image.threads[0].image.tid, target->pid);
	for (uint32_t i = 0; i < THREADS; i++) {
		const struct rf_image_thread *thread = &source->image.threads[i].image;

		CHECK(thread->tid_address && thread->robust_list && thread->rseq_address);
		CHECK(thread->registers.fs_base);
		CHECK_EQUAL(thread->flags, RF_THREAD_INTERRUPTED);
	}
	check_call(source, target, 0, SYS_futex, false);
	check_call(source, target, 1, SYS_clock_nanosleep, true);
	check_call(source, target, 2, SYS_read, false);
	check_call(source, target, 3, SYS_pause, false);
}

/* Those that wait must do so before they are looked at. */
static void await_waiters(struct target *target)
{
	for (unsigned slot = 0; slot < THREADS - 1; slot++)
		target_await(target, TIDS + slot, 1);
	for (int slot = 0; slot < 4; slot++) {
		char path[64], text[256];
		int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;

		do {
			long length;

			CHECK(test_now_ms() < deadline_ms);
			snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)target->pid,
				 atomic_load(&target->words[TIDS + slot]));
			length = rf_io_read_file(path, text, sizeof(text));
			CHECK(length >= 0 || length == -ENOENT || length == -EINVAL ||
			      length == -ESRCH);
			text[length > 0 ? length : 0] = '\0';
			sched_yield();
		} while (strtol(text, NULL, 10) != (long[]){ SYS_futex, SYS_clock_nanosleep,
							     SYS_read, SYS_pause }[slot] ||
			 text[0] == 'r');
	}
}

int main(void)
{
	struct rf_report report = { 0 };
	struct rf_source source;
	struct target target;

	test_begin();
	target_start(&target, run, 0);
	target_await(&target, READY, 1);
	await_waiters(&target);
	for (int round = 0; round < ROUNDS; round++) {
		int count;

		if (rf_process_open(&source, target.pid, NULL, &report) < 0)
			test_fail(__FILE__, __LINE__, "%s", report.sentence);
		count = atomic_load(&target.words[COUNT]);
		check_threads(&source, &target);
		CHECK_EQUAL(source.image.pipe_count, 1);
		CHECK_EQUAL(atomic_load(&target.words[COUNT]), count);
		rf_source_close(&source);
		target_await(&target, COUNT, count + 1);
	}
	CHECK_EQUAL(atomic_load(&target.words[WOKEN]), 0);
	target_set(&target, FINISH, 1);
	target_end(&target);
	return test_end();
}
