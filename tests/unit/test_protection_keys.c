/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "rfork/protection_keys.h"

static struct rf_report report;

START_TEST(keys_that_a_machine_lacks_are_refused_by_number)
{
	if (rf_keys_exist())
		return;
	ck_assert_uint_eq(rf_keys_allocated(), 0);
	ck_assert_int_eq(rf_keys_allocate(0, &report), 0);
	ck_assert_int_eq(rf_keys_allocate(1u << 5, &report), -ENOTSUP);
	ck_assert_str_eq(report.sentence, "protection key 5 is in use, and this machine has none");
	ck_assert(!rf_keys_open().are_known);
}
END_TEST

START_TEST(keys_are_found_and_allocated_by_number)
{
	struct rf_key_rights was;

	if (!rf_keys_exist())
		return;
	ck_assert_uint_eq(rf_keys_allocated(), 0);
	ck_assert_int_eq(rf_keys_allocate(1u << 5 | 1u << 2, &report), 0);
	ck_assert_uint_eq(rf_keys_allocated(), 1u << 5 | 1u << 2);
	ck_assert_int_eq(pkey_alloc(0, PKEY_DISABLE_ACCESS), 1);
	was = rf_keys_open();
	ck_assert_int_eq(pkey_get(1), 0);
	rf_keys_close(&was);
	ck_assert_int_eq(pkey_get(1), PKEY_DISABLE_ACCESS);
}
END_TEST

START_TEST(no_number_of_a_key_is_too_large_to_ask_for)
{
	ck_assert(rf_keys_have(1u << 15, 15));
	ck_assert(!rf_keys_have(1u << 15, 16));
	ck_assert(!rf_keys_have(UINT32_MAX, UINT32_MAX));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("protection_keys");
	TCase *tcase = tcase_create("keys");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, keys_that_a_machine_lacks_are_refused_by_number);
	tcase_add_test(tcase, keys_are_found_and_allocated_by_number);
	tcase_add_test(tcase, no_number_of_a_key_is_too_large_to_ask_for);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
