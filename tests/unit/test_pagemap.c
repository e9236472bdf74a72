/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/pagemap.c: which pages are a process's own, by both ways of
 * asking the kernel, and that asking changes nothing.
 */
#define _GNU_SOURCE
#include "rfork/pagemap.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define PAGES 64ul

static struct rf_pagemap pagemap;

static void set_up(void)
{
	ck_assert_int_eq(rf_pagemap_open(&pagemap), 0);
}

static void tear_down(void)
{
	rf_pagemap_close(&pagemap);
}

static unsigned char *map(int protection, int flags, int fd)
{
	unsigned char *memory = mmap(NULL, PAGES * PAGE, protection, flags, fd, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	madvise(memory, PAGES * PAGE, MADV_NOHUGEPAGE);
	return memory;
}

/* Expects exactly one run, of page `first` to before page `end`. */
static void expect_one_run(unsigned char *memory, unsigned long first, unsigned long end)
{
	struct rf_page_run runs[8];
	uint64_t start = (uintptr_t)memory;
	uint64_t next;

	ck_assert_int_eq(rf_pagemap_runs(&pagemap, start, start + PAGES * PAGE, runs, 8, &next), 1);
	ck_assert_uint_eq(runs[0].start, start + first * PAGE);
	ck_assert_uint_eq(runs[0].end, start + end * PAGE);
	ck_assert_uint_eq(next, start + PAGES * PAGE);
}

static void expect_nothing(unsigned char *memory)
{
	struct rf_page_run runs[8];
	uint64_t start = (uintptr_t)memory;
	uint64_t next;

	ck_assert_int_eq(rf_pagemap_runs(&pagemap, start, start + PAGES * PAGE, runs, 8, &next), 0);
	ck_assert_uint_eq(next, start + PAGES * PAGE);
}

/* Each claim is checked with PAGEMAP_SCAN, where there is one, and with the file. */
static void both_ways(void (*check)(void))
{
	check();
	pagemap.has_scan = pagemap.has_guard = false;
	check();
}

static void check_written(void)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	expect_nothing(memory);
	memset(memory + 3 * PAGE, 1, 5 * PAGE);
	expect_one_run(memory, 3, 8);
	munmap(memory, PAGES * PAGE);
}

START_TEST(written_pages_are_found)
{
	both_ways(check_written);
}
END_TEST

static void check_file(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);
	volatile unsigned char sum = 0;

	close(fd);
	for (unsigned long page = 0; page < 4; page++)
		sum += memory[page * PAGE];
	expect_nothing(memory);
	memory[2 * PAGE] ^= 1;
	expect_one_run(memory, 2, 3);
	munmap(memory, PAGES * PAGE);
}

START_TEST(clean_file_pages_are_not_own)
{
	both_ways(check_file);
}
END_TEST

static void check_unreadable(void)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memset(memory + 10 * PAGE, 1, PAGE);
	ck_assert_int_eq(mprotect(memory, PAGES * PAGE, PROT_NONE), 0);
	expect_one_run(memory, 10, 11);
	munmap(memory, PAGES * PAGE);
}

START_TEST(written_unreadable_pages_are_found)
{
	both_ways(check_unreadable);
}
END_TEST

START_TEST(zero_page_is_not_own)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	volatile unsigned char sum = 0;

	if (!pagemap.has_scan)
		return; /* the file cannot tell; the writer leaves such pages out by content */
	for (unsigned long page = 0; page < PAGES; page++)
		sum += memory[page * PAGE];
	expect_nothing(memory);
	munmap(memory, PAGES * PAGE);
}
END_TEST

static void check_capacity(void)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	uint64_t end = (uintptr_t)memory + PAGES * PAGE;
	uint64_t next = (uintptr_t)memory;
	unsigned found = 0;

	for (unsigned long page = 0; page < PAGES; page += 2)
		memory[page * PAGE] = 1;
	while (next < end) {
		struct rf_page_run runs[3];
		long count = rf_pagemap_runs(&pagemap, next, end, runs, 3, &next);

		ck_assert_int_ge(count, 0);
		for (long i = 0; i < count; i++, found++) {
			ck_assert_uint_eq(runs[i].start, (uintptr_t)memory + 2 * found * PAGE);
			ck_assert_uint_eq(runs[i].end, runs[i].start + PAGE);
		}
	}
	ck_assert_uint_eq(found, PAGES / 2);
	munmap(memory, PAGES * PAGE);
}

START_TEST(runs_go_on_where_room_ended)
{
	both_ways(check_capacity);
}
END_TEST

static void check_untouched(void)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned char resident[PAGES];

	expect_nothing(memory);
	ck_assert_int_eq(mincore(memory, PAGES * PAGE, resident), 0);
	for (unsigned long page = 0; page < PAGES; page++)
		ck_assert_int_eq(resident[page] & 1, 0);
	munmap(memory, PAGES * PAGE);
}

START_TEST(looking_faults_nothing_in)
{
	both_ways(check_untouched);
}
END_TEST

/* One run of pages, seen through windows that cut it, as neighbouring mappings do. */
START_TEST(walk_cuts_runs_at_its_windows)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	static const unsigned long windows[][4] = {
		/* window; what is found in it */
		{ 0, 10, 5, 10 },   { 10, 20, 10, 20 }, { 20, 21, 20, 21 },
		{ 30, 50, 30, 40 }, { 50, 64, 0, 0 },
	};
	uint64_t start = (uintptr_t)memory;
	struct rf_pagemap_walk walk;

	memset(memory + 5 * PAGE, 1, 35 * PAGE);
	rf_pagemap_walk_begin(&walk, &pagemap, start, start + PAGES * PAGE);
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		const unsigned long *window = windows[i];
		struct rf_page_run runs[4];
		uint64_t next;
		long count = rf_pagemap_walk_runs(&walk, start + window[0] * PAGE,
						  start + window[1] * PAGE, runs, 4, &next);

		ck_assert_int_eq(count, window[3] ? 1 : 0);
		ck_assert_uint_eq(next, start + window[1] * PAGE);
		if (count) {
			ck_assert_uint_eq(runs[0].start, start + window[2] * PAGE);
			ck_assert_uint_eq(runs[0].end, start + window[3] * PAGE);
		}
	}
	munmap(memory, PAGES * PAGE);
}
END_TEST

START_TEST(shared_pages_are_found_without_a_page_table)
{
	unsigned char *memory = map(PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	uint64_t start = (uintptr_t)memory;
	struct rf_page_run runs[8];
	uint64_t next;

	memset(memory + 7 * PAGE, 1, 2 * PAGE);
	ck_assert_int_eq(rf_pagemap_shared_runs(start, start + PAGES * PAGE, runs, 8, &next), 1);
	ck_assert_uint_le(runs[0].start, start + 7 * PAGE);
	ck_assert_uint_ge(runs[0].end, start + 9 * PAGE);
	munmap(memory, PAGES * PAGE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pagemap");
	TCase *tcase = tcase_create("pagemap");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, written_pages_are_found);
	tcase_add_test(tcase, clean_file_pages_are_not_own);
	tcase_add_test(tcase, written_unreadable_pages_are_found);
	tcase_add_test(tcase, zero_page_is_not_own);
	tcase_add_test(tcase, runs_go_on_where_room_ended);
	tcase_add_test(tcase, looking_faults_nothing_in);
	tcase_add_test(tcase, walk_cuts_runs_at_its_windows);
	tcase_add_test(tcase, shared_pages_are_found_without_a_page_table);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
