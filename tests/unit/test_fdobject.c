/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/fdobject.c: what another thread closes between the list of descriptors and
 * the look at what they hold is left out, and its object is a duplicate's, if there is one.
 */
#define _GNU_SOURCE
#include "rfork/fdobject.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FIRST 100
#define COUNT 7u

static struct rf_fdtable table;
static struct rf_arena arena;
static struct rf_report report;

/* Those of the test itself, and of who runs it. */
static bool is_ours(int fd)
{
	return fd < FIRST || fd > FIRST + 4;
}

/* Eventfds with FIRST, with FIRST + 1 and two duplicates of it, and with FIRST + 4. */
static void set_up(void)
{
	struct rf_refusals refusals;
	char lines[RF_REFUSALS_BYTES];

	for (int i = 0; i < 5; i++) {
		int fd = i == 2 || i == 3 ? dup(FIRST + 1) : eventfd(COUNT, 0);

		ck_assert_int_eq(dup2(fd, FIRST + i), FIRST + i);
		close(fd);
	}
	rf_refusals_begin(&refusals, lines, sizeof(lines));
	ck_assert_int_eq(rf_arena_map(&arena, RF_ARENA_BYTES), 0);
	ck_assert_int_eq(rf_fdtable_collect(&table, &arena, 0, &refusals, NULL, is_ours, &report),
			 0);
	ck_assert_uint_eq(table.count, 5);
}

static void tear_down(void)
{
	rf_arena_unmap(&arena);
	close_range(FIRST, FIRST + 4, 0);
}

static void look(void)
{
	ck_assert_msg(rf_fdobject_look(&table, &arena, NULL, &report) == 0, "%s", report.sentence);
}

static const struct rf_fd *expect_original(int number, uint32_t original)
{
	const struct rf_fd *entry = rf_fdobject_find_entry(&table, (uint32_t)number);

	ck_assert_msg(entry, "descriptor %d is missing", number);
	ck_assert_uint_eq(entry->image.same_as, original);
	return entry;
}

START_TEST(closed_ones_are_left_out)
{
	close(FIRST);
	/* a number that is in use again leads to something else */
	ck_assert_int_ge(dup2(STDIN_FILENO, FIRST + 4), 0);
	look();
	ck_assert_uint_eq(table.count, 3);
	ck_assert_ptr_null(rf_fdobject_find_entry(&table, FIRST));
	ck_assert_ptr_null(rf_fdobject_find_entry(&table, FIRST + 4));
	expect_original(FIRST + 1, RF_IMAGE_NONE);
	expect_original(FIRST + 3, FIRST + 1);
	ck_assert_uint_eq(table.objects[0].object.event.count, 0);
}
END_TEST

START_TEST(duplicates_keep_the_object)
{
	const struct rf_fdobject *object;

	close(FIRST + 1);
	close(FIRST + 2);
	look();
	ck_assert_uint_eq(table.count, 3);
	object = &table.objects[expect_original(FIRST + 3, RF_IMAGE_NONE)->image.file];
	ck_assert_uint_eq(object->number, FIRST + 3);
	ck_assert_uint_eq(object->object.event.count, COUNT);
}
END_TEST

START_TEST(what_cannot_be_read_is_still_named)
{
	table.objects[2].object.image.kind = RF_OBJECT_SIGNALS;
	ck_assert_int_eq(rf_fdobject_look(&table, &arena, NULL, &report), -EPROTO);
	ck_assert_str_eq(report.sentence,
			 "descriptor 104 (anon_inode:[eventfd]): what it holds: Protocol error");
}
END_TEST

int main(void)
{
	TCase *tests = tcase_create("look");
	Suite *suite = suite_create("fdobject");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, closed_ones_are_left_out);
	tcase_add_test(tests, duplicates_keep_the_object);
	tcase_add_test(tests, what_cannot_be_read_is_still_named);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
