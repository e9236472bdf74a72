/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/digest_cache.c: a digest is found only for the very file and range that it
 * is of, and the oldest entries give way.
 */
#include "rfork/digest_cache.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

static struct rf_digest_cache cache;
static struct rf_image_file file;
static uint64_t found[2];

static void set_up(void)
{
	cache = (struct rf_digest_cache){ 0 };
	file = (struct rf_image_file){ .index = 3,
				       .mode = 0100755,
				       .device = 0x801,
				       .inode = 77,
				       .size_bytes = 123456,
				       .mtime_ns = 1700000000000000001,
				       .ctime_ns = 1700000000000000002 };
	found[0] = found[1] = 0;
}

static void add(uint64_t offset, uint64_t bytes, uint64_t low)
{
	const uint64_t digest[2] = { low, ~low };

	rf_digest_cache_add(&cache, &file, offset, bytes, digest);
}

static bool has(uint64_t offset, uint64_t bytes)
{
	return rf_digest_cache_find(&cache, &file, offset, bytes, found);
}

START_TEST(nothing_is_in_an_empty_cache)
{
	file = (struct rf_image_file){ 0 };
	ck_assert(!has(0, 0)); /* which is what unused entries hold */
}
END_TEST

START_TEST(digest_is_found_again)
{
	add(0, 4096, 11);
	add(4096, 8192, 22);
	ck_assert(has(4096, 8192));
	ck_assert_uint_eq(found[0], 22);
	ck_assert_uint_eq(found[1], ~UINT64_C(22));
	ck_assert(has(0, 4096));
	ck_assert_uint_eq(found[0], 11);
}
END_TEST

START_TEST(file_that_just_changed_is_not_remembered)
{
	struct timespec now;
	int64_t now_ns;

	ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
	now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	file.mtime_ns = now_ns - 1000000000;
	add(0, 4096, 11);
	ck_assert(!has(0, 4096));
	file.mtime_ns = 0;
	file.ctime_ns = now_ns + 3600000000000; /* of a clock that is ahead */
	add(0, 4096, 11);
	ck_assert(!has(0, 4096));
	file.ctime_ns = now_ns - 3000000000;
	add(0, 4096, 11);
	ck_assert(has(0, 4096));
}
END_TEST

START_TEST(other_range_is_not_found)
{
	add(4096, 8192, 11);
	ck_assert(!has(4096, 4096));
	ck_assert(!has(0, 8192));
	ck_assert(!has(8192, 4096));
	ck_assert_uint_eq(found[0], 0);
}
END_TEST

START_TEST(changed_file_is_not_found)
{
	add(0, 4096, 11);
	file.mtime_ns++;
	ck_assert(!has(0, 4096));
	file.mtime_ns--;
	file.ctime_ns++;
	ck_assert(!has(0, 4096));
	file.ctime_ns--;
	file.size_bytes++;
	ck_assert(!has(0, 4096));
	file.size_bytes--;
	file.inode++;
	ck_assert(!has(0, 4096));
	file.inode--;
	file.device++;
	ck_assert(!has(0, 4096));
	file.device--;
	ck_assert(has(0, 4096));
}
END_TEST

START_TEST(place_in_an_image_does_not_matter)
{
	add(0, 4096, 11);
	file.index = 9;
	ck_assert(has(0, 4096));
}
END_TEST

START_TEST(oldest_entries_give_way)
{
	for (uint64_t i = 0; i < RF_DIGEST_CACHE_ENTRIES + 5; i++)
		add(i * 4096, 4096, i);
	for (uint64_t i = 0; i < RF_DIGEST_CACHE_ENTRIES + 5; i++) {
		ck_assert(has(i * 4096, 4096) == (i >= 5));
		if (i >= 5)
			ck_assert_uint_eq(found[0], i);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("digest_cache");
	TCase *tcase = tcase_create("digest_cache");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, nothing_is_in_an_empty_cache);
	tcase_add_test(tcase, digest_is_found_again);
	tcase_add_test(tcase, file_that_just_changed_is_not_remembered);
	tcase_add_test(tcase, other_range_is_not_found);
	tcase_add_test(tcase, changed_file_is_not_found);
	tcase_add_test(tcase, place_in_an_image_does_not_matter);
	tcase_add_test(tcase, oldest_entries_give_way);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
