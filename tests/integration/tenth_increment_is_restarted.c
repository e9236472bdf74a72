/* SPDX-License-Identifier: MIT */
/*
 * Claim: an executable made of the tenth incremental checkpoint goes on with the memory of that
 * moment, and so does one made in the middle of the chain, from which the program may checkpoint
 * on: a new chain begins.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define STEPS 10u
#define BYTES (512 * TEST_PAGE_BYTES)

static unsigned step;
static uint64_t random_state = 77;

static uint64_t digest_all(const unsigned char *memory, const unsigned char *heap,
			   const unsigned char *stack)
{
	return test_digest(memory, BYTES) ^ 3 * test_digest(heap, BYTES) ^
	       5 * test_digest(stack, TEST_PAGE_BYTES);
}

static void change(unsigned char *memory, unsigned char *heap, unsigned char *stack)
{
	for (unsigned i = 0; i < 20; i++) {
		memory[test_random(&random_state) % BYTES] = (unsigned char)i;
		heap[test_random(&random_state) % BYTES] = (unsigned char)i;
		stack[test_random(&random_state) % TEST_PAGE_BYTES] = (unsigned char)i;
	}
	CHECK_CALL(madvise(memory + step * TEST_PAGE_BYTES, 3 * TEST_PAGE_BYTES, MADV_DONTNEED));
}

static void name_file(char *name, size_t bytes, unsigned number)
{
	snprintf(name, bytes, "%u", number);
}

/* Takes all checkpoints.  A restarted process exits with its step, once it has proved that it can
 * go on. */
static int run(void)
{
	unsigned char *memory =
		mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *heap = malloc(BYTES), stack[TEST_PAGE_BYTES];
	char name[16];

	CHECK(memory != MAP_FAILED && heap);
	test_fill(memory, BYTES, 1);
	test_fill(heap, BYTES, 2);
	test_fill(stack, sizeof(stack), 3);
	for (step = 0; step < STEPS; step++) {
		volatile uint64_t digest;
		rfork_crid_t crid;

		change(memory, heap, stack);
		digest = digest_all(memory, heap, stack);
		crid = checkpoint_hold(RFORK_INCREMENTAL);
		if (crid == 0) {
			CHECK(digest == digest_all(memory, heap, stack));
			crid = checkpoint_hold(RFORK_INCREMENTAL);
			checkpoint_write(crid, checkpoint_path("anew"));
			return 100 + (int)step;
		}
		name_file(name, sizeof(name), step);
		checkpoint_write(crid, checkpoint_path(name));
		CHECK_CALL(rfork_discard(crid));
	}
	return 0;
}

static void undump(const char *statefile, const char *executable)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		execl(test_build_path("tools/undump"), "undump", statefile, "-o", executable, NULL);
		_exit(99);
	}
	test_expect_exit(pid, 0);
}

static void expect_restart(unsigned number)
{
	const char *executable = checkpoint_path("app");
	char name[16];

	name_file(name, sizeof(name), number);
	undump(checkpoint_path(name), executable);
	test_expect_exit(restart_start(executable, NULL), 100 + (int)number);
}

int main(void)
{
	pid_t pid;

	test_begin();
	checkpoint_directory();
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(run());
	test_expect_exit(pid, 0);
	expect_restart(STEPS - 1);
	expect_restart(STEPS / 2);
	test_remove_directory(checkpoint_directory());
	test_forget_directory(checkpoint_directory());
	return test_end();
}
