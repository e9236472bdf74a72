/* SPDX-License-Identifier: MIT */
/*
 * Claim: an incremental checkpoint and its parents hold together what a whole one of the same
 * moment holds, whatever a program has done to its memory between, with write tracking and by
 * comparing.  Of a chain of random changes each checkpoint is written twice, to a file that builds
 * on the one before, and whole.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rfork/chain.h"
#include "rfork/statefile_reader.h"
#include "tests/support/checkpoint.h"

#define CHECKPOINTS 80u /* more than a chain has */
#define WINDOW 256ul	/* pages */
#define LOWEST TEST_PAGE_BYTES
#define HIGHEST ((UINT64_C(1) << 47) - TEST_PAGE_BYTES)
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

static char *directory;
static uint64_t seed;
static unsigned char *window, *shared, *blocks[16];
static int file;

static unsigned roll(unsigned sides)
{
	return (unsigned)(test_random(&seed) % sides);
}

/* In memory if possible: each checkpoint is made durable. */
static void make_directory(void)
{
	char in_memory[] = "/dev/shm/rfork-test-XXXXXX";

	directory = mkdtemp(in_memory) ? strdup(in_memory) : strdup(checkpoint_directory());
	CHECK(directory);
	test_guard_directory(directory);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

/* -- what a program does to its memory ------------------------------------------------------- */

static void make_memory(void)
{
	/* or a block would be put where a part of the window was unmapped */
	CHECK(mallopt(M_MMAP_MAX, 0));
	window = mmap(NULL, WINDOW * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(NULL, 16 * TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(window != MAP_FAILED && shared != MAP_FAILED);
	file = CHECK_CALL(open(path_of("mapped"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	test_fill(window, WINDOW * TEST_PAGE_BYTES, seed);
	CHECK_EQUAL(write(file, window, WINDOW / 2 * TEST_PAGE_BYTES),
		    WINDOW / 2 * TEST_PAGE_BYTES);
}

/* Through the kernel, which takes no offence at what cannot be written. */
static void write_page(unsigned char *page)
{
	uint64_t value = roll(4) ? test_random(&seed) : 0;
	struct iovec from = { &value, sizeof(value) };
	struct iovec to = { page + 8 * roll(TEST_PAGE_BYTES / 8), sizeof(value) };

	process_vm_writev(getpid(), &from, 1, &to, 1, 0);
}

static void write_pages(unsigned char *first, unsigned long pages)
{
	static const unsigned char zeros[TEST_PAGE_BYTES];
	struct iovec from = { (void *)zeros, sizeof(zeros) };

	for (unsigned long page = 0; page < pages; page++) {
		struct iovec to = { first + page * TEST_PAGE_BYTES, TEST_PAGE_BYTES };

		if (roll(8) == 0)
			process_vm_writev(getpid(), &from, 1, &to, 1, 0);
		else
			write_page(first + page * TEST_PAGE_BYTES);
	}
}

static void map_pages(unsigned char *first, unsigned long pages)
{
	int flags = MAP_FIXED | MAP_PRIVATE | (roll(2) ? MAP_ANONYMOUS : 0);
	int protection = roll(4) ? PROT_READ | PROT_WRITE : PROT_READ;

	mmap(first, pages * TEST_PAGE_BYTES, protection, flags, flags & MAP_ANONYMOUS ? -1 : file,
	     (off_t)(roll(2) ? 0 : TEST_PAGE_BYTES));
}

static void advise_pages(unsigned char *first, unsigned long pages)
{
	static const int advices[] = { MADV_DONTNEED,	   MADV_DONTNEED,	MADV_WIPEONFORK,
				       MADV_KEEPONFORK,	   MADV_GUARD_INSTALL,	MADV_GUARD_REMOVE,
				       MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_NORMAL };

	madvise(first, pages * TEST_PAGE_BYTES, advices[roll(9)]);
}

static void move_pages(unsigned char *first, unsigned long pages)
{
	unsigned char *to = window + roll((unsigned)(WINDOW - pages + 1)) * TEST_PAGE_BYTES;

	mremap(first, pages * TEST_PAGE_BYTES, pages * TEST_PAGE_BYTES,
	       MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

static void allocate_and_free(void)
{
	unsigned char **block = &blocks[roll(16)];

	free(*block);
	*block = roll(4) ? malloc(roll(300000)) : NULL;
	if (*block)
		**block = 1;
}

static void change_memory(void)
{
	unsigned long pages = 1 + roll(roll(4) ? 8 : WINDOW / 2);
	unsigned char *first = window + roll((unsigned)(WINDOW - pages + 1)) * TEST_PAGE_BYTES;

	switch (roll(9)) {
	case 0:
		map_pages(first, pages);
		break;
	case 1:
		munmap(first, pages * TEST_PAGE_BYTES);
		break;
	case 2:
		move_pages(first, pages);
		break;
	case 3:
		mprotect(first, pages * TEST_PAGE_BYTES,
			 roll(3) ? PROT_READ | PROT_WRITE : PROT_NONE);
		break;
	case 4:
	case 5:
		advise_pages(first, pages);
		break;
	case 6:
		allocate_and_free();
		break;
	case 7:
		write_page(shared + roll(16) * TEST_PAGE_BYTES);
		break;
	default:
		write_pages(first, pages);
	}
}

/* -- the checkpoints ------------------------------------------------------------------------- */

static void commit(rfork_crid_t crid, int fd)
{
	if (rfork_commit(crid, fd) < 0 || rfork_commit_wait(crid, TEST_DEADLINE_MS) < 0)
		test_fail(__FILE__, __LINE__, "writing: %s", rfork_error());
}

/* Returns what holds the whole checkpoint. */
static int write_both(unsigned number)
{
	rfork_crid_t crid = checkpoint_hold(RFORK_INCREMENTAL);
	int whole = CHECK_CALL(memfd_create("whole", MFD_CLOEXEC));
	char name[16];

	CHECK(crid > 0);
	snprintf(name, sizeof(name), "%u", number);
	if (roll(2)) { /* the order does not matter */
		checkpoint_write(crid, path_of(name));
		commit(crid, whole);
	} else {
		commit(crid, whole);
		checkpoint_write(crid, path_of(name));
	}
	CHECK_CALL(rfork_discard(crid));
	return whole;
}

static void check_page(struct rf_source *increment, struct rf_source *whole, uint64_t address,
		       unsigned number)
{
	unsigned char theirs[TEST_PAGE_BYTES], ours[TEST_PAGE_BYTES];
	ssize_t expected = rf_source_read(whole, address, theirs, sizeof(theirs));
	ssize_t got = rf_source_read(increment, address, ours, sizeof(ours));

	if (got != expected || (got > 0 && memcmp(ours, theirs, (size_t)got) != 0))
		test_fail(__FILE__, __LINE__, "checkpoint %u differs at %lx (%zd, expected %zd)",
			  number, (unsigned long)address, got, expected);
}

static void compare(unsigned number, int whole_fd)
{
	struct rf_report report = { 0 };
	struct rf_source increment, whole;
	char name[16];

	snprintf(name, sizeof(name), "%u", number);
	checkpoint_read(&increment, path_of(name));
	if (rf_statefile_open_fd(&whole, whole_fd, "whole", LOWEST, HIGHEST, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	CHECK_EQUAL(whole.chain_count, 1);
	CHECK_EQUAL(increment.chain_count, number % RF_CHAIN_MAX_FILES + 1);
	CHECK_EQUAL(increment.image.head.mappings, whole.image.head.mappings);
	for (uint32_t i = 0; i < whole.image.head.mappings; i++) {
		const struct rf_image_mapping *mapping = &whole.image.mappings[i];

		CHECK_EQUAL(mapping->start, increment.image.mappings[i].start);
		CHECK_EQUAL(mapping->end, increment.image.mappings[i].end);
		for (uint64_t at = mapping->start; at < mapping->end; at += TEST_PAGE_BYTES)
			check_page(&increment, &whole, at, number);
	}
	rf_source_close(&increment);
	rf_source_close(&whole);
}

int main(void)
{
	test_begin();
	seed = test_seed();
	make_directory();
	make_memory();
	for (unsigned i = 0; i < CHECKPOINTS; i++) {
		int whole;

		CHECK_CALL(roll(3) ? unsetenv("RFORK_NO_TRACKING")
				   : setenv("RFORK_NO_TRACKING", "1", 1));
		for (unsigned changes = roll(12); changes; changes--)
			change_memory();
		whole = write_both(i);
		compare(i, whole);
		close(whole);
	}
	test_remove_directory(directory);
	test_forget_directory(directory);
	return test_end();
}
