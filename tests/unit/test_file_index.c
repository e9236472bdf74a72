/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/file_index.h"

#define FILES 30000u

static struct rf_file_index table;
static struct rf_image_file files[FILES];
static char paths[FILES][24];
static unsigned long comparisons;

static bool is_same(const void *context, uint32_t number, const struct rf_image_file *file,
		    const char *path)
{
	(void)context;
	comparisons++;
	return files[number].inode == file->inode && files[number].device == file->device &&
	       strcmp(paths[number], path) == 0;
}

/* Files of `inodes` inodes, each of another name. */
static void fill(uint64_t inodes)
{
	for (uint32_t i = 0; i < FILES; i++) {
		files[i] = (struct rf_image_file){ .inode = 1 + i % inodes, .device = 7 };
		snprintf(paths[i], sizeof(paths[i]), "/tmp/file%u", i);
	}
	rf_file_index_init(&table, calloc(1, rf_file_index_bytes(FILES)), FILES);
	comparisons = 0;
}

/* Twice: the first time none is known, the second time all are. */
static void intern_all(void)
{
	for (uint32_t round = 0; round < 2; round++)
		for (uint32_t i = 0; i < FILES; i++) {
			uint32_t *slot =
				rf_file_index_find(&table, &files[i], paths[i], is_same, NULL);

			ck_assert_uint_eq(*slot, round ? i + 1 : 0);
			*slot = i + 1;
		}
	free(table.slots);
}

START_TEST(finding_a_file_costs_the_same_however_many_there_are)
{
	static const uint64_t inodes[] = { FILES, 1, 100 };

	fill(inodes[_i]);
	intern_all();
	ck_assert_uint_lt(comparisons, 5 * FILES);
}
END_TEST

START_TEST(files_of_one_path_and_of_one_inode_are_told_apart)
{
	static const struct rf_image_file file = { .inode = 1, .device = 8 };

	fill(FILES);
	*rf_file_index_find(&table, &files[0], paths[0], is_same, NULL) = 1;
	ck_assert_uint_eq(*rf_file_index_find(&table, &files[0], paths[0], is_same, NULL), 1);
	ck_assert_uint_eq(*rf_file_index_find(&table, &files[0], paths[1], is_same, NULL), 0);
	ck_assert_uint_eq(*rf_file_index_find(&table, &files[1], paths[0], is_same, NULL), 0);
	ck_assert_uint_eq(*rf_file_index_find(&table, &file, paths[0], is_same, NULL), 0);
	free(table.slots);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file_index");
	TCase *tcase = tcase_create("files");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, finding_a_file_costs_the_same_however_many_there_are, 0, 3);
	tcase_add_test(tcase, files_of_one_path_and_of_one_inode_are_told_apart);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
