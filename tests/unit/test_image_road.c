/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/image_road.c: pages that take another road than the stream are placed, held
 * against their digest and counted; each field that is out of range is refused, and so is all of
 * it where the peers have not agreed on a road.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/image_changes.h"

#define PAGE SAMPLE_PAGE

static void set_up(void)
{
	sample_has_road = true;
	sample_make(&sample);
	sample_add_road(&sample);
}

static struct rf_image_run *run(unsigned nth)
{
	return (struct rf_image_run *)(sample_remote_pages(&sample) + 1) + nth;
}

static struct rf_image_end *end(void)
{
	return sample_payload(&sample, RF_RECORD_END, 0);
}

START_TEST(remote_pages_are_placed)
{
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
	ck_assert_mem_eq(reading.pages[SAMPLE_HEAP], sample_remote, PAGE);
	ck_assert_mem_eq(reading.pages[SAMPLE_STACK], sample_remote + PAGE, PAGE);
	ck_assert_uint_eq(reading.located, 5);
}
END_TEST

START_TEST(road_may_stay_unused)
{
	sample_remove(&sample, sample_index(&sample, RF_RECORD_REMOTE_PAGES, 0));
	end()->data_pages -= 2;
	sample_recount(&sample);
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
}
END_TEST

START_TEST(pages_of_a_lost_road_come_again)
{
	const struct rf_image_run again = { .address = run(0)->address, .pages = 1 };
	struct {
		struct rf_image_pages pages;
		struct rf_image_run run;
		unsigned char data[PAGE];
	} record = { .pages = { .runs = 1 }, .run = again, .data = { 'a' } };

	sample_remote_pages(&sample)->remote_key++;
	sample_insert(&sample, sample_index(&sample, RF_RECORD_END, 0), RF_RECORD_PAGES, 0, &record,
		      sizeof(record));
	end()->data_pages -= 1; /* the stack's page is not sent again */
	sample_recount(&sample);
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
	ck_assert(reading.is_road_lost);
	ck_assert_int_eq(reading.pages[SAMPLE_HEAP][0], 'a');
	/* what was lost does not count */
	end()->data_pages += 1;
	ck_assert_int_eq(read_sample(), -EBADMSG);
}
END_TEST

START_TEST(guards_need_no_data)
{
	run(0)->kind = RF_RUN_GUARD;
	run(1)->kind = RF_RUN_GUARD;
	sample_find(&sample, RF_RECORD_REMOTE_PAGES, 0)->remote_bytes = 0;
	end()->data_pages -= 2;
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
}
END_TEST

START_TEST(nothing_of_it_is_known_without_an_agreement)
{
	sample_has_road = false;
	ck_assert_int_eq(read_sample(), -EBADMSG);
	sample_remove(&sample, sample_index(&sample, RF_RECORD_ROAD, 0));
	sample_recount(&sample);
	ck_assert_int_eq(read_sample(), -EBADMSG);
}
END_TEST

START_TEST(damage_is_noticed)
{
	size_t bytes;
	unsigned char *stream = sample_encode(&sample, &bytes);
	const char *fault;

	sample_remote[5000] ^= 1;
	ck_assert_int_eq(sample_read(&reading, stream, bytes, &fault), -EBADMSG);
	sample_remote[5000] ^= 1;
	ck_assert_int_eq(sample_read(&reading, stream, bytes, &fault), 0);
	free(stream);
}
END_TEST

/* -- one change, one answer ---------------------------------------------------------------- */

static void resize(uint16_t type, int by)
{
	struct sample_record *record = sample_find(&sample, type, 0);

	sample_resize(record, record->bytes + (uint32_t)by);
}

/* clang-format off: one line for each change */
CORRUPT(unknown_kind, sample_road(&sample)->kind = 2)
CORRUPT(no_kind, sample_road(&sample)->kind = 0)
CORRUPT(unknown_flag, sample_road(&sample)->flags = 2)
CORRUPT(unknown_family, sample_road(&sample)->family = 1)
CORRUPT(no_port, sample_road(&sample)->port = 0)
CORRUPT(no_connections, sample_road(&sample)->connections = 0)
CORRUPT(many_connections, sample_road(&sample)->connections = 17)
CORRUPT(no_address, memset(sample_road(&sample)->address, 0, 16))
CORRUPT(long_address, sample_road(&sample)->address[4] = 1)
CORRUPT(no_time, sample_road(&sample)->connect_ms = 0)
CORRUPT(much_time, sample_road(&sample)->connect_ms = 60001)
CORRUPT(reserved_field, sample_road(&sample)->reserved = 1)
CORRUPT(no_long_address, sample_road(&sample)->family = 10;
	memset(sample_road(&sample)->address, 0, 16))
CORRUPT(short_road, resize(RF_RECORD_ROAD, -1))
CORRUPT(longer_road, resize(RF_RECORD_ROAD, 1))
CORRUPT(two_roads, sample_insert(&sample, sample_index(&sample, RF_RECORD_ROAD, 0), RF_RECORD_ROAD,
				 0, sample_road(&sample), sizeof(struct rf_image_road));
	sample_recount(&sample))
CORRUPT(road_behind_pages,
	sample_move(&sample, RF_RECORD_ROAD, sample_index(&sample, RF_RECORD_PAGES, 0) + 1))
CORRUPT(road_before_the_layout,
	sample_move(&sample, RF_RECORD_ROAD, sample_index(&sample, RF_RECORD_LAYOUT, 0)))
CORRUPT(pages_before_the_road,
	sample_move(&sample, RF_RECORD_REMOTE_PAGES, sample_index(&sample, RF_RECORD_ROAD, 0)))
CORRUPT(no_road, sample_remove(&sample, sample_index(&sample, RF_RECORD_ROAD, 0));
	sample_recount(&sample))
CORRUPT(no_runs, sample_remote_pages(&sample)->runs = 0)
CORRUPT(many_runs, sample_remote_pages(&sample)->runs = 257)
CORRUPT(more_runs, sample_remote_pages(&sample)->runs = 3)
CORRUPT(fewer_runs, sample_remote_pages(&sample)->runs = 1)
CORRUPT(short_remote_pages, resize(RF_RECORD_REMOTE_PAGES, -1))
CORRUPT(tiny_remote_pages, sample_resize(sample_find(&sample, RF_RECORD_REMOTE_PAGES, 0), 15))
CORRUPT(data_in_the_stream, resize(RF_RECORD_REMOTE_PAGES, 2 * PAGE))
CORRUPT(wrapping_remote_range,
	sample_remote_pages(&sample)->remote_address = UINT64_MAX - 2 * PAGE + 1)
CORRUPT(unordered_runs, run(0)->address = run(1)->address)
CORRUPT(empty_run, run(0)->pages = 0)
CORRUPT(unaligned_run, run(0)->address++)
CORRUPT(unknown_run, run(0)->kind = 2)
CORRUPT(run_outside, run(1)->address += 16 * PAGE)
CORRUPT(run_in_a_shared_file,
	*run(0) = (struct rf_image_run){ .address = sample_mapping(&sample, SAMPLE_SHARED)->start,
					 .pages = 1 })
CORRUPT(too_many_pages, sample_mapping(&sample, SAMPLE_HEAP)->end += 300 * PAGE;
	sample_mapping(&sample, SAMPLE_SHARED)->start += 400 * PAGE;
	sample_mapping(&sample, SAMPLE_SHARED)->end += 400 * PAGE; run(0)->pages = 257)
CORRUPT(uncounted_pages, end()->data_pages -= 2)
/* clang-format on */

START_TEST(change_is_refused)
{
	try_change(_i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image road");
	TCase *tcase = tcase_create("roads");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, remote_pages_are_placed);
	tcase_add_test(tcase, road_may_stay_unused);
	tcase_add_test(tcase, pages_of_a_lost_road_come_again);
	tcase_add_test(tcase, guards_need_no_data);
	tcase_add_test(tcase, nothing_of_it_is_known_without_an_agreement);
	tcase_add_test(tcase, damage_is_noticed);
	tcase_add_loop_test(tcase, change_is_refused, 0, change_count);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
