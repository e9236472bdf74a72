/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/lines.c.
 */
#define _GNU_SOURCE
#include "rfork/lines.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINES 3000u

static int file = -1;
static unsigned taken, last;

static void set_up(void)
{
	file = memfd_create("lines", MFD_CLOEXEC);
	ck_assert_int_ge(file, 0);
	taken = 0;
	last = LINES;
}

static void tear_down(void)
{
	close(file);
}

static void put(const char *text, size_t bytes)
{
	ck_assert_int_eq(write(file, text, bytes), (ssize_t)bytes);
}

/* Lines of all lengths, each with its number: many more than one piece has room for. */
static void put_lines(void)
{
	char line[128];

	for (unsigned i = 0; i < LINES; i++)
		put(line, (size_t)snprintf(line, sizeof(line), "%u%*s\n", i, (int)(i % 97), ""));
}

static int take(void *context, const char *line)
{
	char expected[128];

	snprintf(expected, sizeof(expected), "%u%*s", taken, (int)(taken % 97), "");
	ck_assert_str_eq(line, expected);
	ck_assert_ptr_eq(context, &taken);
	return taken++ == last ? -ENOTTY : 0;
}

static int take_any(void *context, const char *line)
{
	*(size_t *)context = strlen(line);
	taken++;
	return 0;
}

static int read_lines(void)
{
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	return rf_lines_read(file, take, &taken);
}

START_TEST(lines_come_whole_and_in_order)
{
	put_lines();
	put("without an end", 14);
	ck_assert_int_eq(read_lines(), 0);
	ck_assert_uint_eq(taken, LINES);
}
END_TEST

START_TEST(nobody_is_asked_after_an_error)
{
	put_lines();
	last = 2000;
	ck_assert_int_eq(read_lines(), -ENOTTY);
	ck_assert_uint_eq(taken, 2001);
}
END_TEST

START_TEST(longest_line_has_room)
{
	static char line[RF_LINES_MAX_BYTES + 2];
	size_t length = 0;

	memset(line, 'x', sizeof(line));
	line[RF_LINES_MAX_BYTES] = '\n';
	put(line, RF_LINES_MAX_BYTES + 1);
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	ck_assert_int_eq(rf_lines_read(file, take_any, &length), 0);
	ck_assert_uint_eq(length, RF_LINES_MAX_BYTES);
	line[RF_LINES_MAX_BYTES] = 'x';
	put(line, sizeof(line));
	ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
	ck_assert_int_eq(rf_lines_read(file, take_any, &length), -EPROTO);
	ck_assert_uint_eq(taken, 2);
}
END_TEST

START_TEST(what_cannot_be_read_is_told)
{
	ck_assert_int_eq(rf_lines_read(-1, take, &taken), -EBADF);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lines");
	TCase *cases = tcase_create("lines");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, lines_come_whole_and_in_order);
	tcase_add_test(cases, nobody_is_asked_after_an_error);
	tcase_add_test(cases, longest_line_has_room);
	tcase_add_test(cases, what_cannot_be_read_is_told);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
