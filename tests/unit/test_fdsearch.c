/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/fdsearch.c: the paths of what an inotify watches are found, all of them, with a
 * few system calls for each.  That they are the right ones is inotifies_travel's.
 */
#define _GNU_SOURCE
#include "rfork/fdsearch.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/count_calls.h"

#define FILES 500
#define NUMBER 100 /* of the inotify */

static char folder[] = "/tmp/rfork-test-XXXXXX";

/* All but one. */
static bool is_ours(int fd)
{
	return fd != NUMBER;
}

static void name(char path[64], int number)
{
	snprintf(path, 64, "%s/%d", folder, number);
}

static void make_files(void)
{
	char path[64];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (int i = 0; i < FILES; i++) {
		name(path, i);
		close(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	}
}

static void remove_files(void)
{
	char path[64];

	for (int i = 0; i < FILES; i++) {
		name(path, i);
		ck_assert_int_eq(unlink(path), 0);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}

static void watch_files(void)
{
	char path[64];

	ck_assert_int_eq(dup2(inotify_init1(IN_CLOEXEC), NUMBER), NUMBER);
	for (int i = 0; i < FILES; i++) {
		name(path, i);
		ck_assert_int_eq(inotify_add_watch(NUMBER, path, IN_MODIFY), i + 1);
	}
}

static void expect_paths(const struct rf_object_state *object)
{
	const char *next = (const char *)(object->watched + object->inotify.watched);
	char path[64];

	ck_assert_uint_eq(object->inotify.watched, FILES);
	for (int i = 0; i < FILES; i++) {
		name(path, i);
		ck_assert_int_eq(object->watched[i].number, i + 1);
		ck_assert_uint_eq(object->watched[i].path_bytes, strlen(path));
		ck_assert_int_eq(memcmp(next, path, strlen(path)), 0);
		next += strlen(path);
	}
}

/* From the folder, so that they are found without privilege, too. */
static void find_paths(void)
{
	struct rf_report report = { 0 };
	struct rf_fdtable table = { 0 };
	char lines[RF_REFUSALS_BYTES];
	struct rf_refusals refusals;
	struct rf_arena arena;

	ck_assert_int_eq(chdir(folder), 0);
	watch_files();
	rf_refusals_begin(&refusals, lines, sizeof(lines));
	ck_assert_int_eq(rf_arena_map(&arena, RF_ARENA_BYTES), 0);
	ck_assert_int_eq(rf_fdtable_collect(&table, &arena, 0, &refusals, NULL, is_ours, &report),
			 0);
	ck_assert_msg(refusals.count == 0, "%s", lines);
	ck_assert_uint_eq(table.object_count, 1);
	expect_paths(&table.objects[0].object);
}

START_TEST(paths_are_not_tried_for_each)
{
	ck_assert_int_le(count_calls(find_paths, SYS_newfstatat), FILES + FILES / 2);
}
END_TEST

/* With privilege the handle is opened in its mount; what is mounted is listed once for all. */
START_TEST(mounts_are_listed_once)
{
	ck_assert_int_le(count_calls(find_paths, SYS_openat), FILES + FILES / 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdsearch");
	TCase *tcase = tcase_create("fdsearch");
	SRunner *runner;
	int failed;

	tcase_add_unchecked_fixture(tcase, make_files, remove_files);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, paths_are_not_tried_for_each);
	tcase_add_test(tcase, mounts_are_listed_once);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
