/* SPDX-License-Identifier: MIT */
/*
 * Reads how mappings are marked.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"
#include "rfork/protection_keys.h"

#define PAGE_BYTES 4096u

static bool are_contrary(uint32_t flags, uint32_t both)
{
	return (flags & both) == both;
}

static const char *find_fault(const struct rf_image *image, const struct rf_image_mark *mark)
{
	uint64_t last_end = image->mark_count ? image->marks[image->mark_count - 1].end : 0;

	if (!(mark->flags | mark->key) || mark->flags & ~RF_MAPPING_MARKS ||
	    are_contrary(mark->flags, RF_MAPPING_HUGEPAGE | RF_MAPPING_NOHUGEPAGE) ||
	    are_contrary(mark->flags, RF_MAPPING_RANDOM | RF_MAPPING_SEQUENTIAL))
		return "a mark has an unknown property";
	if ((mark->start | mark->end) % PAGE_BYTES || mark->start >= mark->end ||
	    mark->start < last_end)
		return "a mark is malformed or out of order";
	if (rf_image_find_mapping(image, mark->start, mark->end) == SIZE_MAX)
		return "a mark lies outside the mappings";
	if (mark->key && !rf_keys_have(image->process.protection_keys, mark->key))
		return "a mark has a protection key that is not allocated";
	/* the memory for the plan has its size already */
	if (mark->flags & RF_MAPPING_SEALED && image->seal_count == image->head.mappings)
		return "there are more seals than mappings";
	if (mark->key && image->key_count == image->head.mappings)
		return "more memory has protection keys than is mapped";
	return NULL;
}

int rf_record_take_marks(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(*image->marks);
	struct rf_image_mark *marks;

	if (bytes == 0 || bytes % sizeof(*image->marks))
		return rf_record_corrupt(reader, "MARKS has another length");
	if (count > RF_IMAGE_MAX_MARKS - image->mark_count)
		return rf_record_corrupt(reader, "there are too many marks");
	marks = realloc(image->marks, (image->mark_count + count) * sizeof(*marks));
	if (!marks)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	image->marks = marks;
	for (size_t i = 0; i < count; i++) {
		struct rf_image_mark *mark = &marks[image->mark_count];
		const char *fault;

		memcpy(mark, reader->payload + i * sizeof(*mark), sizeof(*mark));
		fault = find_fault(image, mark);
		if (fault)
			return rf_record_corrupt(reader, fault);
		image->mark_count++;
		image->seal_count += (mark->flags & RF_MAPPING_SEALED) != 0;
		image->key_count += mark->key != 0;
	}
	return 0;
}

bool rf_image_is_marked(const struct rf_image *image, uint64_t start, uint64_t end, uint32_t flag)
{
	uint32_t low = 0, high = image->mark_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->marks[middle].end <= start)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < image->mark_count && image->marks[low].start < end; low++)
		if (image->marks[low].flags & flag)
			return true;
	return false;
}
