/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/report.c: formatting without stdio, first report wins, no
 * control character reaches a terminal.
 */
#define _GNU_SOURCE
#include "rfork/report.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(format_agrees_with_the_c_library)
{
	char ours[200], theirs[200];

	rf_format(ours, sizeof(ours), "%s|%c|%d|%d|%u|%ld|%lu|%zu|%x|%lx|%%", "text", 'c', 0,
		  INT32_MIN, UINT32_MAX, INT64_MIN, UINT64_MAX, (size_t)7, 0xbeefu, 1ul << 63);
	snprintf(theirs, sizeof(theirs), "%s|%c|%d|%d|%u|%ld|%lu|%zu|%x|%lx|%%", "text", 'c', 0,
		 INT32_MIN, UINT32_MAX, INT64_MIN, UINT64_MAX, (size_t)7, 0xbeefu, 1ul << 63);
	ck_assert_str_eq(ours, theirs);
}
END_TEST

START_TEST(format_cuts_at_the_end_of_the_buffer)
{
	char buffer[6] = "xxxxx";

	ck_assert_uint_eq(rf_format(buffer, 5, "%s%d", "abc", 12345), 4);
	ck_assert_mem_eq(buffer, "abc1\0", 6);
}
END_TEST

START_TEST(format_survives_a_percent_sign_at_the_end)
{
	char buffer[8];
	const char *volatile format = "50%"; /* hidden from the compiler's check */

	ck_assert_uint_eq(rf_format(buffer, sizeof(buffer), format), 2);
	ck_assert_str_eq(buffer, "50");
}
END_TEST

START_TEST(report_keeps_the_first_failure)
{
	struct rf_report report = { 0 };

	ck_assert_int_eq(rf_report(&report, ENOENT, "first: %m"), -ENOENT);
	ck_assert_int_eq(rf_report(&report, EIO, "second"), -EIO);
	ck_assert_int_eq(report.error, ENOENT);
	ck_assert_str_eq(report.sentence, "first: No such file or directory");
}
END_TEST

START_TEST(report_may_be_absent)
{
	ck_assert_int_eq(rf_report(NULL, EIO, "nobody reads this"), -EIO);
}
END_TEST

START_TEST(sanitize_replaces_control_characters)
{
	struct rf_report report = { .error = EIO, .sentence = "a\033[2J\n\x7f ümlaut" };

	rf_report_sanitize(&report);
	ck_assert_str_eq(report.sentence, "a?[2J?? ümlaut");
}
END_TEST

START_TEST(sanitize_terminates_the_sentence)
{
	struct rf_report report = { .error = EIO };

	memset(report.sentence, 'x', sizeof(report.sentence));
	rf_report_sanitize(&report);
	ck_assert_uint_eq(strlen(report.sentence), sizeof(report.sentence) - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *tcase = tcase_create("report");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, format_agrees_with_the_c_library);
	tcase_add_test(tcase, format_cuts_at_the_end_of_the_buffer);
	tcase_add_test(tcase, format_survives_a_percent_sign_at_the_end);
	tcase_add_test(tcase, report_keeps_the_first_failure);
	tcase_add_test(tcase, report_may_be_absent);
	tcase_add_test(tcase, sanitize_replaces_control_characters);
	tcase_add_test(tcase, sanitize_terminates_the_sentence);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
