/* SPDX-License-Identifier: MIT */
/*
 * Whose clocks a process has that is restored: when they are taken for the same, and that they stay
 * as they are where another's cannot be had.
 */
#define _GNU_SOURCE
#include <check.h>
#include <stdlib.h>

#include "rfork/clocks.h"
#include "rfork/io.h"
#include "rfork/restore_clocks.h"

#define CAPTURED_NS INT64_C(5000000000)
#define NAMESPACE UINT64_C(4026531834)

static const struct rf_image image = { .has_clocks = true,
				       .clocks = { .monotonic_ns = CAPTURED_NS,
						   .boottime_ns = 2 * CAPTURED_NS,
						   .time_namespace = NAMESPACE } };

START_TEST(clocks_are_the_same_in_one_namespace_of_one_boot)
{
	ck_assert(rf_restore_clocks_are_same(&image, true, NAMESPACE, CAPTURED_NS));
	ck_assert(rf_restore_clocks_are_same(&image, true, NAMESPACE, CAPTURED_NS + 1));
	ck_assert(!rf_restore_clocks_are_same(&image, false, NAMESPACE, CAPTURED_NS + 1));
	ck_assert(!rf_restore_clocks_are_same(&image, true, NAMESPACE + 1, CAPTURED_NS + 1));
	ck_assert(!rf_restore_clocks_are_same(&image, true, 0, CAPTURED_NS + 1));
}
END_TEST

START_TEST(clock_that_shows_less_is_another)
{
	ck_assert(!rf_restore_clocks_are_same(&image, true, NAMESPACE, CAPTURED_NS - 1));
}
END_TEST

START_TEST(image_without_clocks_asks_for_none)
{
	const struct rf_image silent = { .has_clocks = false };

	ck_assert(rf_restore_clocks_are_same(&silent, false, NAMESPACE, 0));
}
END_TEST

START_TEST(own_clocks_are_read)
{
	struct rf_image_clocks first, second;

	rf_clocks_read(&first);
	rf_clocks_read(&second);
	ck_assert_uint_gt(first.monotonic_ns, 0);
	ck_assert_uint_ge(second.monotonic_ns, first.monotonic_ns);
	ck_assert_uint_ge(first.boottime_ns, first.monotonic_ns);
	ck_assert_uint_ge(second.boottime_ns, first.boottime_ns);
	ck_assert_uint_eq(second.time_namespace, first.time_namespace);
	ck_assert_uint_eq(rf_clocks_namespace("/proc/self/ns/no-such-namespace"), 0);
}
END_TEST

/* More than the kernel takes: whoever may make a namespace is not left in it half. */
START_TEST(clocks_that_cannot_be_had_change_nothing)
{
	struct rf_image far = image;
	uint64_t before = rf_clocks_namespace(RF_CLOCKS_OWN);
	uint64_t children = rf_clocks_namespace("/proc/self/ns/time_for_children");
	int64_t now_ns = rf_io_now_ns();

	far.clocks.boottime_ns = INT64_MAX - UINT64_C(1000000000000000);
	ck_assert_int_eq(rf_restore_clocks(&far, now_ns), now_ns);
	ck_assert_uint_eq(rf_clocks_namespace(RF_CLOCKS_OWN), before);
	ck_assert_uint_eq(rf_clocks_namespace("/proc/self/ns/time_for_children"), children);
	ck_assert_int_lt(rf_io_now_ns() - now_ns, INT64_C(600000000000));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restore_clocks");
	TCase *tcase = tcase_create("restore_clocks");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, clocks_are_the_same_in_one_namespace_of_one_boot);
	tcase_add_test(tcase, clock_that_shows_less_is_another);
	tcase_add_test(tcase, image_without_clocks_asks_for_none);
	tcase_add_test(tcase, own_clocks_are_read);
	tcase_add_test(tcase, clocks_that_cannot_be_had_change_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
