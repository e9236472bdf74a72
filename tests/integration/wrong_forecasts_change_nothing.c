/* SPDX-License-Identifier: MIT */
/*
 * Claim: a forecast that keeps to the format but is wrong, or is not there, or comes where memory of
 * the node's own lies, changes nothing: the child runs from the image alone.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/stat.h>

#include "rfork/file_identity.h"
#include "tests/support/image.h"

static struct image image;

/* The parts of the record that is being changed. */
static struct rf_image_forecast *head;
static struct rf_image_file *files;
static struct rf_image_mapping *mappings;
static struct rf_image_run *runs;
static char *first_path;

static void locate(struct image *changed)
{
	head = (void *)image_find(changed, RF_RECORD_FORECAST, 0)->payload;
	files = (void *)(head + 1);
	mappings = (void *)(files + head->files);
	runs = (void *)(mappings + head->mappings);
	first_path = (void *)(runs + head->runs);
}

static void none(struct image *changed)
{
	struct rf_image_end *end = (void *)image_find(changed, RF_RECORD_END, 0)->payload;

	image_remove(changed, image_index(changed, RF_RECORD_FORECAST, 0));
	end->records = changed->count;
}

static void other_boot(struct image *changed)
{
	(void)changed;
	head->boot_id[3] ^= 1;
}

static void other_protections(struct image *changed)
{
	(void)changed;
	for (uint32_t i = 0; i < head->mappings; i++)
		mappings[i].protection = 7;
}

static void other_offsets(struct image *changed)
{
	(void)changed;
	for (uint32_t i = 0; i < head->mappings; i++)
		if (mappings[i].kind == RF_MAPPING_FILE)
			mappings[i].file_offset = 0;
}

static void other_file(struct image *changed)
{
	static const char path[] = "/etc/passwd";
	struct stat status;

	(void)changed;
	/* shorter than the program's own, and padded: the record keeps its length */
	CHECK_CALL(stat(path, &status));
	files[0] = rf_file_identity(&status);
	CHECK(strlen(first_path) >= strlen(path));
	memset(first_path, '/', strlen(first_path));
	memcpy(first_path + strlen(first_path) - strlen(path), path, strlen(path));
}

static void all_anonymous(struct image *changed)
{
	(void)changed;
	for (uint32_t i = 0; i < head->mappings; i++) {
		if (mappings[i].end - mappings[i].start >= 512 * TEST_PAGE_BYTES)
			continue;
		mappings[i].kind = RF_MAPPING_ANONYMOUS;
		mappings[i].file = RF_IMAGE_NONE;
		mappings[i].file_offset = 0;
		mappings[i].flags = 0;
		mappings[i].protection |= RF_PROTECTION_WRITE;
	}
}

static void elsewhere(struct image *changed)
{
	(void)changed;
	for (uint32_t i = 0; i < head->mappings; i++) {
		uint64_t bytes = mappings[i].end - mappings[i].start;

		mappings[i].start = 0x10000000 + i * 0x1000000ul; /* where the restorer would be */
		mappings[i].end = mappings[i].start + bytes;
	}
	CHECK(head->runs <= head->mappings);
	for (uint32_t i = 0; i < head->runs; i++)
		runs[i] = (struct rf_image_run){ .address = mappings[i].start, .pages = 1 };
}

static bool is_written_first(uint64_t page)
{
	for (uint32_t i = 0; i < head->runs; i++)
		if (runs[i].address == page)
			return true;
	return false;
}

static void shifted(struct image *changed)
{
	unsigned count = 0;

	(void)changed;
	for (uint32_t i = 0; i < head->mappings; i++) {
		if (mappings[i].end - mappings[i].start < 16 * TEST_PAGE_BYTES ||
		    is_written_first(mappings[i].start))
			continue;
		mappings[i].start += TEST_PAGE_BYTES;
		count++;
	}
	CHECK(count > 0);
}

int main(void)
{
	static const struct {
		const char *what;
		void (*change)(struct image *);
	} cases[] = {
		{ "none", none },
		{ "other_boot", other_boot },
		{ "other_protections", other_protections },
		{ "other_offsets", other_offsets },
		{ "other_file", other_file },
		{ "all_anonymous", all_anonymous },
		{ "elsewhere", elsewhere },
		{ "shifted", shifted },
	};
	struct node_load load;
	struct node node;

	test_begin();
	node_start(&node, NULL);
	image_record_move(&image, &node);
	load = node_settle(&node);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_report report;
		struct image changed;

		image_copy(&changed, &image);
		locate(&changed);
		cases[i].change(&changed);
		if (image_offer(&changed, &node, &report))
			test_fail(__FILE__, __LINE__, "%s: %s", cases[i].what, report.sentence);
		image_free(&changed);
	}
	image_free(&image);
	node_expect_load(&node, load);
	node_stop(&node);
	return test_end();
}
