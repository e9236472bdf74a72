/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/image_contents.c: what an image says of files whose bytes travel is read, and
 * their bytes are given to whoever places them; each field that is out of range is refused.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/image_changes.h"

static void set_up(void)
{
	sample_make(&sample);
	sample_add_contents(&sample);
}

static struct rf_object_content *object(unsigned nth)
{
	struct rf_image_object *head =
		sample_payload(&sample, RF_RECORD_OBJECT, SAMPLE_FIRST_CONTENT + nth);

	return (struct rf_object_content *)(head + 1);
}

static struct rf_image_descriptor *descriptor(unsigned nth)
{
	return sample_payload(&sample, RF_RECORD_DESCRIPTOR, SAMPLE_FIRST_OF_CONTENT + nth);
}

static struct rf_image_mapping *mapping(void)
{
	return sample_mapping(&sample, SAMPLE_SHARED);
}

static struct rf_image_content *content(void)
{
	return sample_payload(&sample, RF_RECORD_CONTENT, 0);
}

static void resize(uint16_t type, unsigned nth, int32_t more)
{
	struct sample_record *record = sample_find(&sample, type, nth);

	sample_resize(record, record->bytes + (uint32_t)more);
}

START_TEST(contents_are_read)
{
	const struct rf_object_state *memory, *file;

	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
	memory = &reading.image.objects[SAMPLE_FIRST_CONTENT].object;
	file = &reading.image.objects[SAMPLE_FIRST_CONTENT + 1].object;
	ck_assert_str_eq(memory->name, "memory");
	ck_assert_uint_eq(memory->content.size_bytes, SAMPLE_CONTENT_BYTES);
	ck_assert_uint_eq(file->content.file, 0);
	ck_assert_uint_eq(reading.content_bytes, 6);
	ck_assert_mem_eq(reading.content, "bytes", 6);
	ck_assert_uint_eq(reading.content_offset, SAMPLE_CONTENT_BYTES - 6);
}
END_TEST

START_TEST(contents_may_come_between_pages)
{
	sample_move(&sample, RF_RECORD_CONTENT, sample_index(&sample, RF_RECORD_PAGES, 0) + 1);
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
	ck_assert_uint_eq(reading.content_bytes, 6);
}
END_TEST

START_TEST(who_places_them_may_refuse)
{
	sample_refuses_contents = true;
	ck_assert_int_eq(read_sample(), -ENOSPC);
	sample_refuses_contents = false;
}
END_TEST

/* -- changes, and the reader's answers --------------------------------------------------------- */

/* clang-format off: one line for each change */
CORRUPT(size_over_all_limits, object(0)->size_bytes = UINT64_C(1) << 63)
CORRUPT(mode_of_a_directory, object(0)->mode = 0040755)
CORRUPT(mode_out_of_range, object(0)->mode |= 1u << 16)
CORRUPT(unknown_flag, object(0)->flags |= 2)
CORRUPT(unknown_seal, object(0)->seals |= 0x40)
CORRUPT(seals_of_a_file, object(1)->seals = F_SEAL_SEAL)
CORRUPT(memory_with_a_file, object(0)->file = 0)
CORRUPT(unknown_file, object(1)->file = 2)
CORRUPT(no_name_and_no_file, object(1)->file = RF_IMAGE_NONE)
CORRUPT(a_name_and_a_file, object(1)->name_bytes = 4;
	resize(RF_RECORD_OBJECT, SAMPLE_FIRST_CONTENT + 1, 4))
CORRUPT(reserved_field, object(0)->reserved = 1)
CORRUPT(name_with_a_zero, ((char *)(object(0) + 1))[2] = '\0')
CORRUPT(name_is_longer, object(0)->name_bytes++)
CORRUPT(name_is_shorter, object(0)->name_bytes--)
CORRUPT(name_over_its_limit, resize(RF_RECORD_OBJECT, SAMPLE_FIRST_CONTENT, 244);
	memset(object(0) + 1, 'x', 250); object(0)->name_bytes = 250)
ACCEPTED(name_at_its_limit, resize(RF_RECORD_OBJECT, SAMPLE_FIRST_CONTENT, 243);
	 memset(object(0) + 1, 'x', 249); object(0)->name_bytes = 249)
ACCEPTED(empty_name, resize(RF_RECORD_OBJECT, SAMPLE_FIRST_CONTENT, -6); object(0)->name_bytes = 0)
CORRUPT(cut_object, resize(RF_RECORD_OBJECT, SAMPLE_FIRST_CONTENT + 1, -8))

CORRUPT(digest_of_memory, descriptor(0)->flags |= RF_DESCRIPTOR_DIGEST)
CORRUPT(digest_of_what_is_written, descriptor(2)->status_flags = O_RDWR)
CORRUPT(content_by_path, descriptor(2)->flags |= RF_DESCRIPTOR_BY_PATH)
ACCEPTED(witness_of_a_file, descriptor(2)->flags = RF_DESCRIPTOR_WITNESS;
	 descriptor(2)->status_flags = O_RDWR; descriptor(2)->digest[0] = 0;
	 descriptor(2)->digest[1] = 0; descriptor(2)->witness = RF_WITNESS_FIRST)
CORRUPT(descriptor_of_no_object, descriptor(0)->file = SAMPLE_FIRST_CONTENT + 2)

CORRUPT(mapping_of_no_object, mapping()->file = SAMPLE_FIRST_CONTENT + 2)
CORRUPT(mapping_of_another_kind, mapping()->file = 0)
CORRUPT(mapping_that_grows, mapping()->flags |= RF_MAPPING_GROWSDOWN)
CORRUPT(mapping_with_a_digest, mapping()->flags |= RF_MAPPING_DIGEST)
CORRUPT(mapping_behind_all_limits, mapping()->file_offset = INT64_MAX - 0xfff)
CORRUPT(mapping_of_sealed_memory, object(0)->seals = F_SEAL_WRITE)
ACCEPTED(read_only_mapping_of_sealed_memory, object(0)->seals = F_SEAL_WRITE;
	 mapping()->protection = RF_PROTECTION_READ)
ACCEPTED(private_mapping_of_sealed_memory, object(0)->seals = F_SEAL_WRITE; mapping()->flags = 0)

CORRUPT(bytes_of_no_object, content()->object = SAMPLE_FIRST_CONTENT + 2)
CORRUPT(bytes_of_another_kind, content()->object = 0)
CORRUPT(bytes_with_a_reserved_field, content()->reserved = 1)
CORRUPT(bytes_behind_the_end, content()->offset++)
CORRUPT(bytes_far_behind_the_end, content()->offset = UINT64_MAX - 2)
CORRUPT(no_bytes, resize(RF_RECORD_CONTENT, 0, -6))
CORRUPT(no_bytes_as_said, resize(RF_RECORD_CONTENT, 0, -6); content()->bytes = 0)
CORRUPT(fewer_bytes_than_said, resize(RF_RECORD_CONTENT, 0, -1))
CORRUPT(more_bytes_than_said, content()->offset--; resize(RF_RECORD_CONTENT, 0, 1))
CORRUPT(unknown_codec, content()->codec = RF_CODEC_LAST + 1)
CORRUPT(codec_that_nobody_has_agreed_on, content()->codec = RF_CODEC_LZ4; content()->bytes = 100)
CORRUPT(cut_content, resize(RF_RECORD_CONTENT, 0, -8))
CORRUPT(too_many_bytes, object(0)->size_bytes = UINT64_C(1) << 30; content()->offset = 0;
	content()->bytes = 1048577; resize(RF_RECORD_CONTENT, 0, 1048576 - 5))
CORRUPT(bytes_before_the_layout,
	sample_move(&sample, RF_RECORD_CONTENT, sample_index(&sample, RF_RECORD_LAYOUT, 0)))

/* clang-format on */

START_TEST(change_is_answered)
{
	try_change(_i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image contents");
	TCase *tcase = tcase_create("contents");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, contents_are_read);
	tcase_add_test(tcase, contents_may_come_between_pages);
	tcase_add_test(tcase, who_places_them_may_refuse);
	tcase_add_loop_test(tcase, change_is_answered, 0, change_count);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
