/* SPDX-License-Identifier: MIT */
/*
 * Memory: what is in it, and what is special about it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/state/row.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define PAGES 16ul
#define BYTES (PAGES * TEST_PAGE_BYTES)
#define LARGE_FRAME ((size_t)2 << 20)

static unsigned char *memory;
static uint64_t digest;

static unsigned char *map(int protection)
{
	void *mapped = mmap(NULL, BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mapped != MAP_FAILED);
	return mapped;
}

static void fill(void)
{
	test_fill(memory, BYTES, 4711);
	digest = test_digest(memory, BYTES);
}

static void see_contents(void)
{
	CHECK_EQUAL(test_digest(memory, BYTES), digest);
}

/* -- contents ---------------------------------------------------------------------------------- */

static void *break_was;

static void note_break(void)
{
	CHECK(sbrk(BYTES) != (void *)-1);
	break_was = sbrk(0);
}

static void see_break(void)
{
	CHECK(sbrk(0) == break_was);
	CHECK(sbrk(TEST_PAGE_BYTES) == break_was);
}

static void fill_heap(void)
{
	memory = sbrk(BYTES);
	CHECK(memory != (void *)-1);
	fill();
}

static void fill_mapped(void)
{
	memory = map(PROT_READ | PROT_WRITE);
	fill();
}

/* The arguments of main() are there. */
static void see_stack(void)
{
	CHECK_TEXT(program_invocation_short_name, "each_kind_travels");
}

static unsigned char initialized[BYTES] = { 1 };

static void fill_variables(void)
{
	memory = initialized;
	fill();
}

static void fill_file_pages(void)
{
	int fd = CHECK_CALL(open(state_file(), O_RDONLY | O_CLOEXEC));

	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(memory != MAP_FAILED);
	close(fd);
	memory[3] = 'x';
}

static void see_file_pages(void)
{
	CHECK(memcmp(memory, "012x456789", 10) == 0);
}

/* -- mappings ---------------------------------------------------------------------------------- */

static void protect(int protection)
{
	CHECK_CALL(mprotect(memory, BYTES, protection));
}

static void map_read_only(void)
{
	memory = map(PROT_READ | PROT_WRITE);
	memory[0] = 1;
	protect(PROT_READ);
}

static void see_read_only(void)
{
	CHECK_TEXT(state_permissions(memory), "r--p");
}

static void map_inaccessible(void)
{
	memory = map(PROT_NONE);
}

static void see_inaccessible(void)
{
	CHECK_TEXT(state_permissions(memory), "---p");
}

static void map_executable(void)
{
	static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42,%eax; ret */

	memory = map(PROT_READ | PROT_WRITE);
	memcpy(memory, code, sizeof(code));
	protect(PROT_READ | PROT_EXEC);
}

static void see_executable(void)
{
	CHECK_TEXT(state_permissions(memory), "r-xp");
	CHECK_EQUAL(((int (*)(void))(uintptr_t)memory)(), 42);
}

__attribute__((noinline)) static int use_large_frame(void)
{
	volatile unsigned char frame[LARGE_FRAME];

	for (size_t i = sizeof(frame); i > 0; i -= TEST_PAGE_BYTES)
		frame[i - 1] = 1;
	return frame[sizeof(frame) - 1];
}

static void see_growth(void)
{
	CHECK_EQUAL(use_large_frame(), 1);
}

static void lock(void)
{
	memory = map(PROT_READ | PROT_WRITE);
	CHECK_CALL(mlock(memory, BYTES));
}

static void see_locked(void)
{
	CHECK_EQUAL(state_status("VmLck", 10),
		    STATE_CHILDREN & (1u << state_way) ? 0 : BYTES / 1024);
}

static void share(void)
{
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
}

/* With the children of whoever has it there. */
static void see_shared(void)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		memory[TEST_PAGE_BYTES] = 42;
		_exit(0);
	}
	test_expect_exit(pid, 0);
	CHECK_EQUAL(memory[TEST_PAGE_BYTES], 42);
}

static void share_file(void)
{
	int fd = CHECK_CALL(open(state_file(), O_RDWR | O_CLOEXEC));

	memory = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(memory != MAP_FAILED);
	close(fd);
}

/* What is written to it is in the file, until it is put right. */
static void see_shared_file(void)
{
	int fd = CHECK_CALL(open(state_file(), O_RDONLY | O_CLOEXEC));
	char found = 0, was = (char)memory[9];

	memory[9] = 'x';
	CHECK_EQUAL(pread(fd, &found, 1, 9), 1);
	memory[9] = (unsigned char)was;
	CHECK_EQUAL(found, 'x');
}

static void install_guard(void)
{
	memory = map(PROT_READ | PROT_WRITE);
	if (madvise(memory + TEST_PAGE_BYTES, TEST_PAGE_BYTES, MADV_GUARD_INSTALL) < 0)
		test_skip("this kernel has no guard pages");
}

static void see_guard(void)
{
	CHECK_CALL((int)syscall(SYS_getcwd, memory, TEST_PAGE_BYTES));
	CHECK_EQUAL(syscall(SYS_getcwd, memory + TEST_PAGE_BYTES, TEST_PAGE_BYTES), -1);
	CHECK_EQUAL(errno, EFAULT);
}

static void mark(void)
{
	memory = map(PROT_READ | PROT_WRITE);
	memory[0] = 1;
	CHECK_CALL(madvise(memory, BYTES, MADV_WIPEONFORK));
}

static void see_mark(void)
{
	int status;
	pid_t pid;

	memory[0] = 1;
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(memory[0]);
	CHECK_EQUAL(waitpid(pid, &status, 0), pid);
	CHECK_EQUAL(status, 0);
}

static void map_huge(void)
{
	memory = mmap(NULL, LARGE_FRAME, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	if (memory == MAP_FAILED)
		test_skip("no huge page can be had: %s", strerror(errno));
	memory[LARGE_FRAME - 1] = 42;
}

/* Where a huge page is mapped, no part of it can be unmapped. */
static void see_huge(void)
{
	CHECK_EQUAL(memory[LARGE_FRAME - 1], 42);
	CHECK_EQUAL(munmap(memory + TEST_PAGE_BYTES, TEST_PAGE_BYTES), -1);
	CHECK_EQUAL(errno, EINVAL);
}

static int key;

static void put_under_key(void)
{
	memory = map(PROT_READ | PROT_WRITE);
	memory[0] = 42;
	key = pkey_alloc(0, 0);
	if (key < 0)
		test_skip("no protection keys here: %s", strerror(errno));
	CHECK_CALL(pkey_mprotect(memory, BYTES, PROT_READ | PROT_WRITE, key));
	CHECK_CALL(pkey_set(key, PKEY_DISABLE_ACCESS));
}

static void see_key(void)
{
	CHECK_EQUAL(syscall(SYS_getcwd, memory + TEST_PAGE_BYTES, TEST_PAGE_BYTES), -1);
	CHECK_EQUAL(errno, EFAULT);
	CHECK_CALL(pkey_set(key, 0));
	CHECK_EQUAL(memory[0], 42);
}

const struct state_row state_memory_rows[] = {
	{ "break", note_break, see_break, .ways = STATE_ALL },
	{ "heap", fill_heap, see_contents, .ways = STATE_ALL },
	{ "stack", NULL, see_stack, .ways = STATE_ALL },
	{ "variables", fill_variables, see_contents, .ways = STATE_ALL },
	{ "mapped-memory", fill_mapped, see_contents, .ways = STATE_ALL },
	{ "private-file-pages", fill_file_pages, see_file_pages, .ways = STATE_ALL },
	{ "read-only-memory", map_read_only, see_read_only, .ways = STATE_ALL },
	{ "inaccessible-memory", map_inaccessible, see_inaccessible, .ways = STATE_ALL },
	/* there is code in it */
	{ "executable-memory", map_executable, see_executable, .ways = STATE_ALL,
	  .needs = { "mapped-memory" } },
	{ "growing-stack", NULL, see_growth, .ways = STATE_ALL },
	{ "locked-memory", lock, see_locked, .ways = STATE_ALL, .unseen = STATE_CHILDREN },
	{ "shared-memory", share, see_shared, .ways = STATE_ALL },
	/* rfork_undump() takes files by content, and refuses it */
	{ "shared-file-memory", share_file, see_shared_file,
	  .ways = STATE_ALL & ~STATE_BY(RESTART) },
	{ "memory-marks", mark, see_mark, .ways = STATE_ALL },
	{ "huge-pages", map_huge, see_huge, .ways = STATE_ALL },
	{ "protection-keys", put_under_key, see_key, .ways = STATE_ALL },
	{ "guard-pages", install_guard, see_guard, .ways = STATE_ALL },
	{ .kind = NULL },
};
