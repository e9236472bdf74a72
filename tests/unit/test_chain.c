/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/chain.c: what a statefile and its parents hold together, against a model of
 * single pages; and that files that are no chains are refused.
 */
#define _GNU_SOURCE
#include "rfork/chain.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul
#define PAGES 96ul
#define BASE (UINT64_C(1) << 30)

/* What a page has: nothing, or where it lies. */
struct page {
	bool is_there;
	uint32_t file, kind;
	uint64_t offset;
};

static struct page model[PAGES];
static struct rf_statefile_segment segments[PAGES];
static struct rf_snapshot_mapping mappings[PAGES];
static struct rf_statefile_writer writer = { .tables = { .segments = segments } };
static struct rf_snapshot snapshot = { .mappings = mappings };

static unsigned long roll(unsigned long sides)
{
	return (unsigned long)random() % sides;
}

static uint64_t address_of(unsigned long page)
{
	return BASE + page * PAGE;
}

/* Segments of a statefile within one mapping; what they name is the model's from now on. */
static void make_segments(unsigned long first, unsigned long end, uint32_t file, uint64_t *offset)
{
	for (unsigned long page = first, pages; page < end; page += pages) {
		uint32_t kind = (uint32_t)roll(3);

		pages = 1 + roll(6);
		pages = pages < end - page ? pages : end - page;
		if (roll(2))
			continue;
		segments[writer.segment_count++] = (struct rf_statefile_segment){
			.image = { .address = address_of(page),
				   .bytes = pages * PAGE,
				   .offset = kind == RF_SEGMENT_DATA ? *offset : 0,
				   .kind = kind },
		};
		for (unsigned long i = 0; i < pages; i++)
			model[page + i] =
				(struct page){ true, file, kind,
					       kind == RF_SEGMENT_DATA ? *offset + i * PAGE : 0 };
		*offset += kind == RF_SEGMENT_DATA ? pages * PAGE : 0;
	}
}

static void forget(unsigned long first, unsigned long end)
{
	for (; first < end; first++)
		model[first] = (struct page){ 0 };
}

/* Other mappings than before: what lies in none, or in a shared one, is gone. */
static void make_image(uint32_t file)
{
	uint64_t offset = PAGE;

	snapshot.mapping_count = writer.segment_count = 0;
	for (unsigned long page = 0, pages; page < PAGES; page += pages) {
		bool is_absent = roll(6) == 0, is_shared = roll(8) == 0;

		pages = 1 + roll(20);
		pages = pages < PAGES - page ? pages : PAGES - page;
		if (is_absent || is_shared)
			forget(page, page + pages);
		else
			make_segments(page, page + pages, file, &offset);
		if (!is_absent)
			mappings[snapshot.mapping_count++] = (struct rf_snapshot_mapping){
				.image = { .start = address_of(page),
					   .end = address_of(page + pages),
					   .kind = is_shared ? RF_MAPPING_FILE
							     : RF_MAPPING_ANONYMOUS,
					   .flags = is_shared ? RF_MAPPING_SHARED : 0 },
			};
	}
}

static void expect_model(const struct rf_chain *chain)
{
	size_t next = 0;

	for (unsigned long page = 0; page < PAGES; page++) {
		const struct rf_chain_segment *segment;
		bool is_there;

		next = rf_chain_find(chain, next, address_of(page));
		segment = next < chain->count ? &chain->segments[next] : NULL;
		is_there = segment && segment->address <= address_of(page);
		ck_assert_int_eq(is_there, model[page].is_there);
		if (!is_there)
			continue;
		ck_assert_uint_eq(segment->file, model[page].file);
		ck_assert_uint_eq(segment->kind, model[page].kind);
		if (segment->kind == RF_SEGMENT_DATA)
			ck_assert_uint_eq(segment->offset + (address_of(page) - segment->address),
					  model[page].offset);
	}
}

START_TEST(chains_are_as_the_model_of_their_pages)
{
	struct rf_chain chain = { 0 };

	srandom((unsigned)_i + 1);
	memset(model, 0, sizeof(model));
	for (uint32_t file = 0; file < RF_CHAIN_MAX_FILES; file++) {
		uint8_t id[RF_IMAGE_ID_BYTES] = { (uint8_t)file };
		struct rf_chain next;
		int fd;

		make_image(file);
		fd = rf_chain_make(&chain, &snapshot, &writer, id, "/path");
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(rf_chain_map(&next, fd), 0);
		close(fd);
		rf_chain_unmap(&chain);
		chain = next;
		ck_assert_uint_eq(chain.head->file_count, file + 1);
		ck_assert_uint_eq(chain.head->files[file].id[0], file);
		ck_assert_str_eq(chain.head->files[file].path, "/path");
		expect_model(&chain);
	}
	rf_chain_unmap(&chain);
}
END_TEST

static int map_bytes(const struct rf_chain_head *head, size_t bytes)
{
	int fd = memfd_create("chain", MFD_CLOEXEC);
	struct rf_chain chain;
	int error;

	ck_assert_int_eq(pwrite(fd, head, sizeof(*head), 0), sizeof(*head));
	ck_assert_int_eq(ftruncate(fd, (off_t)bytes), 0);
	error = rf_chain_map(&chain, fd);
	rf_chain_unmap(&chain);
	close(fd);
	return error;
}

START_TEST(what_is_no_chain_is_refused)
{
	static struct rf_chain_head head = { .file_count = 1, .segment_count = 1 };
	size_t bytes = RF_CHAIN_HEAD_BYTES + sizeof(struct rf_chain_segment);

	ck_assert_int_eq(map_bytes(&head, bytes), 0);
	ck_assert_int_eq(map_bytes(&head, 100), -EBADMSG);
	ck_assert_int_eq(map_bytes(&head, bytes - 1), -EBADMSG);
	head.file_count = 0;
	ck_assert_int_eq(map_bytes(&head, bytes), -EBADMSG);
	head.file_count = RF_CHAIN_MAX_FILES + 1;
	ck_assert_int_eq(map_bytes(&head, bytes), -EBADMSG);
	head.file_count = 1;
	head.segment_count = UINT64_MAX;
	ck_assert_int_eq(map_bytes(&head, bytes), -EBADMSG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chain");
	TCase *tcase = tcase_create("chain");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, chains_are_as_the_model_of_their_pages, 0, 20);
	tcase_add_test(tcase, what_is_no_chain_is_refused);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
