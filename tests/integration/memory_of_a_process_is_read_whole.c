/* SPDX-License-Identifier: MIT */
/*
 * Claim: of a running process every kind of memory is read as it is: shared memory, also pages
 * that it has not touched itself; files, also those that were deleted; guard pages, locked
 * memory, stacks that grow.  What was never touched stays so, in the process as in the source;
 * and children that stay behind are listed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/target.h"
#include "tools/process_reader.h"

#define PAGES 64
#define BYTES (PAGES * TEST_PAGE_BYTES)
#define GUARD_INSTALL 102 /* MADV_GUARD_INSTALL, Linux 6.13 */

enum { READY, FINISH };

struct facts {
	void *shared;  /* the first half is written by the child, of the rest nothing */
	void *deleted; /* a file without a path, one page of it written */
	void *kept;    /* shared and written to, with a path */
	void *guard;   /* its second page; NULL = this kernel has none */
	void *locked;  /* NULL = not permitted */
	void *stack;
	pid_t child;
};

static char kept_path[] = "kept-XXXXXX";

static void *map(int flags, int fd)
{
	void *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static void *map_file(char *path, int flags, bool is_deleted)
{
	int fd = CHECK_CALL(mkstemp(path));
	static char contents[BYTES];
	void *memory;

	test_fill(contents, BYTES, 7);
	test_write(fd, contents, BYTES);
	memory = map(flags, fd);
	CHECK_CALL(close(fd));
	if (is_deleted)
		CHECK_CALL(unlink(path));
	return memory;
}

static pid_t start_child(struct target *target, struct facts *facts)
{
	pid_t pid = CHECK_CALL(fork());

	if (pid)
		return pid;
	test_fill(facts->shared, BYTES / 2, 8);
	target_set(target, READY, 1);
	target_await(target, FINISH, 1);
	_exit(0);
}

static int run(struct target *target)
{
	struct facts *facts = target->memory;
	char path[] = "deleted-XXXXXX", local = 0;

	facts->shared = map(MAP_SHARED | MAP_ANONYMOUS, -1);
	facts->deleted = map_file(path, MAP_PRIVATE, true);
	test_fill((char *)facts->deleted + TEST_PAGE_BYTES, TEST_PAGE_BYTES, 9);
	facts->kept = map_file(kept_path, MAP_SHARED, false);
	facts->guard = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	test_fill(facts->guard, BYTES, 10);
	if (madvise((char *)facts->guard + TEST_PAGE_BYTES, TEST_PAGE_BYTES, GUARD_INSTALL) < 0)
		facts->guard = NULL;
	facts->locked = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (mlock(facts->locked, BYTES) < 0)
		facts->locked = NULL;
	facts->stack = &local;
	facts->child = start_child(target, facts);
	target_await(target, READY, 1);
	target_set(target, READY, 2);
	target_await(target, FINISH, 1);
	test_expect_exit(facts->child, 0);
	CHECK_CALL(unlink(kept_path));
	return 0;
}

static const struct rf_image_mapping *find(const struct rf_source *source, const void *address)
{
	size_t index =
		rf_image_find_mapping(&source->image, (uintptr_t)address, (uintptr_t)address + 1);

	CHECK(index != SIZE_MAX);
	return &source->image.mappings[index];
}

static void expect_bytes(struct rf_source *source, const void *address, size_t bytes, uint64_t seed)
{
	static char expected[BYTES], found[BYTES];

	test_fill(expected, bytes, seed);
	CHECK_EQUAL(rf_source_read(source, (uintptr_t)address, found, bytes), bytes);
	CHECK(memcmp(found, expected, bytes) == 0);
}

static void check_files(struct rf_source *source, const struct facts *facts)
{
	const struct rf_image_mapping *deleted = find(source, facts->deleted);
	const struct rf_image_mapping *kept = find(source, facts->kept);
	static char contents[BYTES], found[BYTES];

	CHECK_EQUAL(deleted->kind, RF_MAPPING_CONTENTS);
	CHECK(strstr(source->image.files[deleted->file].path, "/deleted-"));
	test_fill(contents, BYTES, 7);
	test_fill(contents + TEST_PAGE_BYTES, TEST_PAGE_BYTES, 9);
	CHECK_EQUAL(rf_source_read(source, (uintptr_t)facts->deleted, found, BYTES), BYTES);
	CHECK(memcmp(found, contents, BYTES) == 0);
	CHECK_EQUAL(kept->kind, RF_MAPPING_FILE);
	CHECK_EQUAL(kept->flags, RF_MAPPING_SHARED);
	CHECK_EQUAL(kept->data_pages, 0);
	expect_bytes(source, facts->kept, BYTES, 7);
}

static void check_source(struct rf_source *source, const struct facts *facts)
{
	const struct rf_image_mapping *shared = find(source, facts->shared);
	char line[64], byte;

	CHECK_EQUAL(shared->kind, RF_MAPPING_ANONYMOUS);
	CHECK_EQUAL(shared->flags, RF_MAPPING_SHARED);
	CHECK_EQUAL(shared->data_pages, PAGES / 2);
	expect_bytes(source, facts->shared, BYTES / 2, 8);
	check_files(source, facts);
	if (facts->guard) {
		uint64_t guard = (uintptr_t)facts->guard + TEST_PAGE_BYTES;
		const struct rf_segment *segment = &source->segments[rf_source_find(source, guard)];

		CHECK_EQUAL(segment->kind, RF_SEGMENT_GUARD);
		CHECK_EQUAL(segment->address, guard);
		CHECK_EQUAL(segment->bytes, TEST_PAGE_BYTES);
		CHECK_EQUAL(rf_source_read(source, guard, &byte, 1), -EFAULT);
	}
#ifndef __SANITIZE_ADDRESS__ /* which makes mlock(2) do nothing */
	if (facts->locked)
		CHECK_EQUAL(find(source, facts->locked)->flags, RF_MAPPING_LOCKED);
#endif
	CHECK_EQUAL(find(source, facts->stack)->flags, RF_MAPPING_GROWSDOWN);
	snprintf(line, sizeof(line), "child process %d\n", (int)facts->child);
	CHECK(source->lost && strstr(source->lost, line));
}

/* How many pages of shared memory there are, whoever has them. */
static size_t count_resident(const struct target *target)
{
	unsigned char resident[PAGES];
	const struct facts *facts = target->memory;
	char path[64];
	size_t count = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)target->pid,
		 (unsigned long)facts->shared, (unsigned long)facts->shared + BYTES);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		void *memory = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);

		CHECK(memory != MAP_FAILED && mincore(memory, BYTES, resident) == 0);
		for (unsigned i = 0; i < PAGES; i++)
			count += resident[i] & 1;
		CHECK_CALL(munmap(memory, BYTES));
		CHECK_CALL(close(fd));
	}
	return count;
}

int main(void)
{
	struct rf_report report = { 0 };
	struct rf_source source;
	struct target target;
	size_t before;

	test_begin();
	target_start(&target, run, sizeof(struct facts));
	target_await(&target, READY, 2);
	before = count_resident(&target);
	if (rf_process_open(&source, target.pid, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	check_source(&source, target.memory);
	rf_source_close(&source);
	CHECK_EQUAL(count_resident(&target), before);
	target_set(&target, FINISH, 1);
	target_end(&target);
	return test_end();
}
