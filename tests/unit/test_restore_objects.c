/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/restore_objects.c: what is said of objects that a kernel has not told all of.
 */
#define _GNU_SOURCE
#include "rfork/restore_objects.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct rf_image_descriptor descriptors[] = {
	{ .number = 0, .kind = RF_DESCRIPTOR_FILE, .same_as = RF_IMAGE_NONE, .file = 0 },
	{ .number = 3, .kind = RF_DESCRIPTOR_OBJECT, .same_as = RF_IMAGE_NONE, .file = 0 },
	{ .number = 4, .kind = RF_DESCRIPTOR_OBJECT, .same_as = RF_IMAGE_NONE, .file = 1 },
	{ .number = 5, .kind = RF_DESCRIPTOR_OBJECT, .same_as = 4, .file = 1 },
	{ .number = 6, .kind = RF_DESCRIPTOR_OBJECT, .same_as = RF_IMAGE_NONE, .file = 2 },
};
static struct rf_reader_object objects[3];

/* The warnings about three eventfds with these flags. */
static const char *warn(uint32_t first, uint32_t second, uint32_t third)
{
	static struct rf_warnings warnings;
	struct rf_image image = { .head = { .descriptors = 5, .objects = 3 },
				  .descriptors = descriptors,
				  .objects = objects };
	const uint32_t flags[] = { first, second, third };

	memset(&warnings, 0, sizeof(warnings));
	for (int i = 0; i < 3; i++) {
		objects[i].object.image.kind = RF_OBJECT_EVENT;
		objects[i].object.event.flags = flags[i];
	}
	rf_restore_warn_of_objects(&image, &warnings);
	return warnings.text;
}

START_TEST(what_is_known_is_not_warned_of)
{
	ck_assert_str_eq(warn(0, RF_EVENT_SEMAPHORE, 0), "");
}
END_TEST

START_TEST(one_is_named)
{
	const char *text = warn(0, RF_EVENT_UNTOLD, 0);

	ck_assert_ptr_eq(strstr(text, "descriptor 4: it is an eventfd"), text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(many_are_counted_in_one_line)
{
	const char *text = warn(RF_EVENT_UNTOLD, RF_EVENT_UNTOLD, RF_EVENT_UNTOLD);

	ck_assert_ptr_eq(strstr(text, "descriptors 3 and 2 more: they are eventfds"), text);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restore_objects");
	TCase *tcase = tcase_create("restore_objects");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, what_is_known_is_not_warned_of);
	tcase_add_test(tcase, one_is_named);
	tcase_add_test(tcase, many_are_counted_in_one_line);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
