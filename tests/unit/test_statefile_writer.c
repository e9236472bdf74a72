/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/statefile_writer.c: which runs of pages share a segment, that pages of
 * zeros are holes and digests are of all bytes, that several threads write the same, and what
 * ends it.
 */
#define _GNU_SOURCE
#include "rfork/statefile_writer.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/digest.h"

#define PAGE 4096u
#define BASE UINT64_C(0x700000000000)
#define MEMORY_BYTES ((size_t)5 << 20)
#define SEGMENTS 16
#define CHUNKS 32

static struct rf_statefile_segment segments[SEGMENTS];
static uint64_t chunks[CHUNKS];
static const struct rf_statefile_tables tables = { segments, SEGMENTS, chunks, CHUNKS };
static struct rf_statefile_writer writer;
static unsigned char *memory; /* of BASE */
static uint64_t unreadable;   /* an address; 0 = none */
static int fd;

static void set_up(void)
{
	memset(segments, 0xee, sizeof(segments));
	memset(chunks, 0xee, sizeof(chunks));
	memory = aligned_alloc(PAGE, MEMORY_BYTES);
	ck_assert_ptr_nonnull(memory);
	for (size_t i = 0; i < MEMORY_BYTES; i++)
		memory[i] = (unsigned char)(1 + i * 7 / 5);
	unreadable = 0;
	fd = memfd_create("pages", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	rf_statefile_begin(&writer, fd, PAGE, &tables);
}

static void tear_down(void)
{
	free(memory);
	close(fd);
}

/* Every other chunk comes in the bounce memory. */
static int look(void *context, const struct rf_statefile_segment *segment, uint64_t address,
		size_t bytes, void *bounce, const void **data)
{
	ck_assert_ptr_eq(context, &tables);
	ck_assert_uint_ge(address, segment->image.address);
	ck_assert_uint_le(address + bytes, segment->image.address + segment->image.bytes);
	if (unreadable >= address && unreadable < address + bytes)
		return -EIO;
	*data = memory + (address - BASE);
	if (address / RF_CHUNK_BYTES % 2)
		*data = memcpy(bounce, *data, bytes);
	return 0;
}

static void *write_pages(void *result)
{
	void *bounce = aligned_alloc(PAGE, RF_CHUNK_BYTES);

	ck_assert_ptr_nonnull(bounce);
	*(int *)result = rf_statefile_write_pages(&writer, look, (void *)&tables, bounce);
	free(bounce);
	return NULL;
}

static void plan(uint64_t page, uint64_t pages, enum rf_segment_kind kind, uint32_t how)
{
	ck_assert_int_eq(rf_statefile_plan(&writer, BASE + page * PAGE, pages, kind, how), 0);
}

static void expect_segment(size_t index, uint64_t page, uint64_t pages, enum rf_segment_kind kind)
{
	ck_assert_uint_lt(index, writer.segment_count);
	ck_assert_uint_eq(segments[index].image.address, BASE + page * PAGE);
	ck_assert_uint_eq(segments[index].image.bytes, pages * PAGE);
	ck_assert_uint_eq(segments[index].image.kind, kind);
}

/* The file has the memory's bytes there. */
static void expect_bytes(uint64_t offset, uint64_t page, uint64_t pages)
{
	unsigned char *got = malloc(pages * PAGE);

	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(pread(fd, got, pages * PAGE, (off_t)offset), (ssize_t)(pages * PAGE));
	ck_assert_int_eq(memcmp(got, memory + page * PAGE, pages * PAGE), 0);
	free(got);
}

START_TEST(runs_that_are_near_share_a_segment)
{
	rf_statefile_mapping(&writer, true);
	plan(0, 2, RF_SEGMENT_DATA, 0);
	plan(2, 1, RF_SEGMENT_DATA, 0);	 /* next to it */
	plan(19, 1, RF_SEGMENT_DATA, 0); /* sixteen pages between */
	plan(37, 1, RF_SEGMENT_DATA, 0); /* seventeen */
	plan(38, 1, RF_SEGMENT_DATA, 1); /* read in another way */
	plan(39, 1, RF_SEGMENT_GUARD, 0);
	plan(40, 1, RF_SEGMENT_GUARD, 0);
	ck_assert_uint_eq(writer.segment_count, 4);
	expect_segment(0, 0, 20, RF_SEGMENT_DATA);
	expect_segment(1, 37, 1, RF_SEGMENT_DATA);
	expect_segment(2, 38, 1, RF_SEGMENT_DATA);
	expect_segment(3, 39, 2, RF_SEGMENT_GUARD);
	ck_assert_uint_eq(segments[0].image.offset, PAGE);
	ck_assert_uint_eq(segments[1].image.offset, 21 * PAGE);
	ck_assert_uint_eq(segments[3].image.offset, 0);
	ck_assert_uint_eq(writer.offset, 23 * PAGE);
}
END_TEST

START_TEST(gaps_are_kept_where_they_are_not_zero)
{
	rf_statefile_mapping(&writer, false);
	plan(0, 1, RF_SEGMENT_DATA, 0);
	plan(2, 1, RF_SEGMENT_DATA, 0);
	rf_statefile_mapping(&writer, true);
	plan(3, 1, RF_SEGMENT_DATA, 0); /* of another mapping */
	ck_assert_uint_eq(writer.segment_count, 3);
}
END_TEST

static void write_with(unsigned threads)
{
	pthread_t others[3];
	int results[4] = { 0 };

	for (unsigned i = 1; i < threads; i++)
		ck_assert_int_eq(pthread_create(&others[i - 1], NULL, write_pages, &results[i]), 0);
	write_pages(&results[0]);
	for (unsigned i = 1; i < threads; i++)
		ck_assert_int_eq(pthread_join(others[i - 1], NULL), 0);
	for (unsigned i = 0; i < threads; i++)
		ck_assert_int_eq(results[i], 0);
}

/* Four chunks and a short one, of which the second is all zero, the third in the middle, and the
 * fourth at its beginning. */
START_TEST(zeros_are_holes_and_digests_are_of_all)
{
	const uint64_t middle = 2 * RF_CHUNK_BYTES + 40 * PAGE;
	struct stat status;

	memset(memory + RF_CHUNK_BYTES, 0, RF_CHUNK_BYTES);
	memset(memory + middle, 0, 30 * PAGE);
	memset(memory + 3 * RF_CHUNK_BYTES, 0, 10 * PAGE);
	rf_statefile_mapping(&writer, true);
	plan(0, MEMORY_BYTES / PAGE - 100, RF_SEGMENT_DATA, 0);
	write_with((unsigned)_i);
	ck_assert_uint_eq(writer.chunk_count, 5);
	for (uint64_t i = 0; i < 5; i++) {
		size_t bytes = i < 4 ? RF_CHUNK_BYTES : RF_CHUNK_BYTES - 100 * PAGE;
		uint64_t digest = i == 1 ? 0 : rf_digest64(memory + i * RF_CHUNK_BYTES, bytes);

		ck_assert_uint_eq(chunks[i], digest);
	}
	expect_bytes(PAGE, 0, MEMORY_BYTES / PAGE - 100);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_uint_le((uint64_t)status.st_blocks * 512,
			  MEMORY_BYTES - RF_CHUNK_BYTES - 140 * PAGE);
}
END_TEST

START_TEST(what_cannot_be_read_ends_it)
{
	int result;

	unreadable = BASE + 3 * RF_CHUNK_BYTES + PAGE;
	rf_statefile_mapping(&writer, true);
	plan(0, MEMORY_BYTES / PAGE, RF_SEGMENT_DATA, 0);
	write_pages(&result);
	ck_assert_int_eq(result, -EIO);
	ck_assert_uint_eq(writer.failed_at, BASE + 3 * RF_CHUNK_BYTES);
	write_pages(&result); /* another thread that comes too late */
	ck_assert_int_eq(result, -EIO);
}
END_TEST

START_TEST(full_tables_are_told)
{
	int error = 0;

	rf_statefile_mapping(&writer, false);
	for (uint64_t i = 0; i < SEGMENTS; i++)
		plan(2 * i, 1, RF_SEGMENT_DATA, 0);
	error = rf_statefile_plan(&writer, BASE + 2 * SEGMENTS * PAGE, 1, RF_SEGMENT_DATA, 0);
	ck_assert_int_eq(error, -ENOBUFS);
	rf_statefile_begin(&writer, fd, PAGE, &tables);
	rf_statefile_mapping(&writer, false);
	error = rf_statefile_plan(&writer, BASE, (CHUNKS + 1) * RF_CHUNK_BYTES / PAGE,
				  RF_SEGMENT_DATA, 0);
	ck_assert_int_eq(error, -ENOBUFS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statefile_writer");
	TCase *cases = tcase_create("pages");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(cases, set_up, tear_down);
	tcase_add_test(cases, runs_that_are_near_share_a_segment);
	tcase_add_test(cases, gaps_are_kept_where_they_are_not_zero);
	tcase_add_loop_test(cases, zeros_are_holes_and_digests_are_of_all, 1, 5);
	tcase_add_test(cases, what_cannot_be_read_ends_it);
	tcase_add_test(cases, full_tables_are_told);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
