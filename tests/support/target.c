/* SPDX-License-Identifier: MIT */
/*
 * Starts a process for tests that look at others, and speaks with it through shared memory and
 * futex(2).
 */
#define _GNU_SOURCE
#include "tests/support/target.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void target_start(struct target *target, int (*body)(struct target *target), size_t memory_bytes)
{
	size_t bytes = TEST_PAGE_BYTES + memory_bytes;
	void *shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(shared != MAP_FAILED);
	target->words = shared;
	target->memory = (char *)shared + TEST_PAGE_BYTES;
	target->pid = CHECK_CALL(fork());
	if (target->pid) {
		test_guard_process(target->pid);
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	alarm(0);
	close_range(3, ~0u, 0);
	target->pid = getpid();
	_exit(body(target));
}

static void wake(struct target *target, unsigned word)
{
	syscall(SYS_futex, &target->words[word], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

void target_set(struct target *target, unsigned word, int value)
{
	atomic_store(&target->words[word], value);
	wake(target, word);
}

void target_add(struct target *target, unsigned word)
{
	atomic_fetch_add(&target->words[word], 1);
	wake(target, word);
}

void target_await(struct target *target, unsigned word, int value)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;
	int now;

	while ((now = atomic_load(&target->words[word])) < value) {
		int64_t left_ms = deadline_ms - test_now_ms();
		struct timespec left = { .tv_sec = left_ms / 1000,
					 .tv_nsec = left_ms % 1000 * 1000000 };

		if (left_ms <= 0)
			test_fail(__FILE__, __LINE__, "word %u is %d, not %d", word, now, value);
		syscall(SYS_futex, &target->words[word], FUTEX_WAIT, now, &left, NULL, 0);
	}
}

void target_end(struct target *target)
{
	test_expect_exit(target->pid, 0);
	test_forget_process(target->pid);
}
