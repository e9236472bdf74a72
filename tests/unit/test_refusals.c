/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/refusals.c: all are counted, lines are whole and in order, and a sentence
 * names as many as have room.
 */
#define _GNU_SOURCE
#include "rfork/refusals.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(lines_are_whole_and_in_order)
{
	struct rf_refusals refusals;
	char lines[20];

	memset(lines, '#', sizeof(lines));
	rf_refusals_begin(&refusals, lines, sizeof(lines) - 1);
	rf_refuse(&refusals, "number %d", 1);
	rf_refuse(&refusals, "this one has no room");
	rf_refuse(&refusals, "this");
	ck_assert_str_eq(lines, "number 1\n");
	ck_assert_uint_eq(refusals.count, 3);
	ck_assert_uint_eq(refusals.listed, 1);
	ck_assert_int_eq(lines[sizeof(lines) - 1], '#');
}
END_TEST

START_TEST(last_line_may_fill_the_room)
{
	struct rf_refusals refusals;
	char lines[12];

	rf_refusals_begin(&refusals, lines, sizeof(lines));
	rf_refuse(&refusals, "abcd");
	rf_refuse(&refusals, "efghi");
	ck_assert_str_eq(lines, "abcd\nefghi\n");
	ck_assert_uint_eq(refusals.listed, 2);
}
END_TEST

START_TEST(they_are_counted_without_room)
{
	struct rf_refusals refusals;
	struct rf_report report = { 0 };

	rf_refusals_begin(&refusals, NULL, 0);
	rf_refuse(&refusals, "one");
	rf_refuse(&refusals, "two");
	ck_assert_uint_eq(refusals.count, 2);
	ck_assert_int_eq(rf_refusals_report(&refusals, "no", "", &report), -ENOTSUP);
	ck_assert_ptr_nonnull(strstr(report.sentence, "2 more"));
}
END_TEST

START_TEST(control_characters_make_no_lines)
{
	struct rf_refusals refusals;
	char lines[40];

	rf_refusals_begin(&refusals, lines, sizeof(lines));
	rf_refuse(&refusals, "a%cb%cc", '\n', 0x7f);
	ck_assert_str_eq(lines, "a?b?c\n");
}
END_TEST

START_TEST(only_refusals_are_taken_from_reports)
{
	struct rf_refusals refusals;
	struct rf_report report = { 0 };
	char lines[40];

	rf_refusals_begin(&refusals, lines, sizeof(lines));
	ck_assert_int_eq(rf_refuse_reported(&refusals, &report), 0);
	rf_report(&report, ENOMEM, "no memory");
	ck_assert_int_eq(rf_refuse_reported(&refusals, &report), -ENOMEM);
	ck_assert_uint_eq(refusals.count, 0);
	report = (struct rf_report){ 0 };
	rf_report(&report, ENOEXEC, "no avx");
	ck_assert_int_eq(rf_refuse_reported(&refusals, &report), 0);
	ck_assert_int_eq(report.error, 0);
	ck_assert_str_eq(lines, "no avx\n");
	ck_assert_int_eq(rf_refusals_report(&refusals, "", "", &report), -ENOEXEC);
	ck_assert_str_eq(report.sentence, "no avx");
}
END_TEST

START_TEST(sentence_names_as_many_as_have_room)
{
	struct rf_refusals refusals;
	struct rf_report report = { 0 };
	char lines[RF_REFUSALS_BYTES];

	rf_refusals_begin(&refusals, lines, sizeof(lines));
	ck_assert_int_eq(rf_refusals_report(&refusals, "no", "", &report), 0);
	rf_refuse(&refusals, "first");
	rf_refuse(&refusals, "second");
	rf_refusals_report(&refusals, "cannot travel", " (advice)", &report);
	ck_assert_str_eq(report.sentence, "cannot travel: first; second (advice)");
	for (int i = 0; i < 98; i++)
		rf_refuse(&refusals, "thing number %d", i);
	report = (struct rf_report){ 0 };
	rf_refusals_report(&refusals, "cannot travel", " (advice)", &report);
	ck_assert_ptr_nonnull(strstr(report.sentence, "thing number 15; "));
	ck_assert_ptr_null(strstr(report.sentence, "thing number 40"));
	ck_assert_ptr_nonnull(strstr(report.sentence, "; and "));
	ck_assert_ptr_nonnull(strstr(report.sentence, " more (advice)"));
}
END_TEST

/* One that is longer than a sentence is cut off, and named all the same. */
START_TEST(first_one_is_named_however_long)
{
	struct rf_refusals refusals;
	struct rf_report report = { 0 };
	char lines[RF_REFUSALS_BYTES], name[RF_REPORT_BYTES + 100];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	rf_refusals_begin(&refusals, lines, sizeof(lines));
	rf_refuse(&refusals, "descriptor 7 (%s)", name);
	rf_refusals_report(&refusals, "cannot travel", "", &report);
	ck_assert_ptr_nonnull(strstr(report.sentence, "descriptor 7 (xxx"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("refusals");
	TCase *tcase = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, lines_are_whole_and_in_order);
	tcase_add_test(tcase, last_line_may_fill_the_room);
	tcase_add_test(tcase, they_are_counted_without_room);
	tcase_add_test(tcase, control_characters_make_no_lines);
	tcase_add_test(tcase, only_refusals_are_taken_from_reports);
	tcase_add_test(tcase, sentence_names_as_many_as_have_room);
	tcase_add_test(tcase, first_one_is_named_however_long);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
