/* SPDX-License-Identifier: MIT */
/*
 * Claim: what lies below a stack is in the source as it is, and stays so in the process: with
 * languages whose small stacks lie amid other data, and where a stack has no room left at all.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "rfork/digest.h"
#include "rfork/sys.h"
#include "tests/support/target.h"
#include "tools/process_reader.h"

#define BELOW (16 * TEST_PAGE_BYTES)
#define STACK (4 * TEST_PAGE_BYTES)
#define LEFT 1500 /* of the stack: less than the frame of a signal */

enum { READY, FINISH };

struct facts {
	unsigned char *below; /* the stack; NULL = nothing is mapped there */
};

static struct target *shared;
static unsigned char *lowest; /* of the stack */
/* Among the first memory of a process that can be written to. */
static unsigned char data[8 * TEST_PAGE_BYTES] = { 1 };

/* On the small stack: nothing but calls that need none, not even that of a symbol which is resolved
 * late. */
static void work(void)
{
	unsigned char here;
	volatile unsigned char *bottom = alloca((size_t)(&here - lowest) - LEFT);

	*bottom = 0;
	atomic_store(&shared->words[READY], 1);
	rf_syscall(SYS_futex, &shared->words[READY], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	while (!atomic_load(&shared->words[FINISH]))
		rf_syscall(SYS_sched_yield);
}

static void run_on_small_stack(void)
{
	static ucontext_t before, small;

	CHECK_CALL(getcontext(&small));
	small.uc_stack.ss_sp = lowest;
	small.uc_stack.ss_size = STACK;
	small.uc_link = &before;
	makecontext(&small, work, 0);
	CHECK_CALL(swapcontext(&before, &small));
}

static int run(struct target *target, bool is_mapped_below)
{
	struct facts *facts = target->memory;
	unsigned char *memory = mmap(NULL, BELOW + STACK, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t digest, digest_below;

	CHECK(memory != MAP_FAILED);
	shared = target;
	lowest = memory + BELOW;
	test_fill(memory, BELOW, 5);
	test_fill(data, sizeof(data), 6);
	facts->below = is_mapped_below ? memory : NULL;
	if (!is_mapped_below)
		CHECK_CALL(munmap(memory, BELOW));
	digest = rf_digest64(data, sizeof(data));
	digest_below = is_mapped_below ? rf_digest64(memory, BELOW) : 0;
	run_on_small_stack();
	CHECK_EQUAL(rf_digest64(data, sizeof(data)), digest);
	CHECK(!is_mapped_below || rf_digest64(memory, BELOW) == digest_below);
	return 0;
}

static int run_with_data_below(struct target *target)
{
	return run(target, true);
}

static int run_with_nothing_below(struct target *target)
{
	return run(target, false);
}

static void expect(struct rf_source *source, const unsigned char *address, size_t bytes,
		   uint64_t seed)
{
	unsigned char *expected = malloc(bytes), *found = malloc(bytes);

	test_fill(expected, bytes, seed);
	CHECK_EQUAL(rf_source_read(source, (uintptr_t)address, found, bytes), bytes);
	for (size_t i = 0; i < bytes; i++)
		if (found[i] != expected[i])
			test_fail(__FILE__, __LINE__, "byte %zu of %zu at %p differs", i, bytes,
				  (const void *)address);
	free(expected);
	free(found);
}

static void check(int (*body)(struct target *))
{
	struct rf_report report = { 0 };
	struct rf_source source;
	struct target target;
	struct facts *facts;

	target_start(&target, body, sizeof(*facts));
	facts = target.memory;
	target_await(&target, READY, 1);
	for (int round = 0; round < 3; round++) {
		if (rf_process_open(&source, target.pid, NULL, &report) < 0)
			test_fail(__FILE__, __LINE__, "%s", report.sentence);
		CHECK(source.image.process.brk);
		expect(&source, data, sizeof(data), 6); /* it is a fork child of ours */
		if (facts->below)
			expect(&source, facts->below, BELOW, 5);
		rf_source_close(&source);
	}
	target_set(&target, FINISH, 1);
	target_end(&target);
}

int main(void)
{
	test_begin();
#ifdef __SANITIZE_ADDRESS__
	test_skip("the address sanitizer writes to stacks of makecontext(3)");
#endif
	check(run_with_data_below);
	check(run_with_nothing_below);
	return test_end();
}
