/* SPDX-License-Identifier: MIT */
/*
 * Finds .eh_frame and lists what it describes.  Called by the unwinder; the bytes are hostile.
 * Source: Linux Standard Base, Exception Frames; the beginning is that which GCC and LLVM give to
 * every common information entry of x86-64.
 */
#define _GNU_SOURCE
#include "tools/frame_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SCAN_BYTES (256u << 20)
#define MAX_ENTRIES (1u << 20)
#define MAX_RECORD_BYTES (1u << 16)
#define MAX_RECORDS (4u << 20) /* of all that looks like a section */
#define MAX_LETTERS 5u	       /* of an augmentation */
#define RECORD_ALIGNMENT 4u
#define FUNCTION_OFFSET 8u /* in a description: behind length and entry, relative to itself */

/* Behind the length: id 0, version 1, augmentation "zR", alignments 1 and -8, return address in 16,
 * one byte of augmentation: addresses relative to where they are, of 32 bits. */
static const unsigned char common[] = { 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b };

static int add(struct rf_frame_table *table, int64_t function, int64_t description)
{
	if (function < 0 || function > INT32_MAX || description < 0 || description > INT32_MAX)
		return 0;
	if (table->count == table->capacity) {
		size_t capacity = table->capacity ? 2 * table->capacity : 256;
		struct rf_frame_entry *entries =
			reallocarray(table->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		table->entries = entries;
		table->capacity = capacity;
	}
	table->entries[table->count++] =
		(struct rf_frame_entry){ (int32_t)function, (int32_t)description };
	return 0;
}

/* Whether an entry is like those of the beginning but for its augmentation, by whose letters its
 * data follow: R the encoding of functions, L and P those of C++, S for signal frames, without
 * data. */
static bool is_readable(struct rf_image_memory *memory, uint64_t entry)
{
	unsigned char bytes[64]; /* as much as the longest augmentation takes */
	const unsigned char *data;
	size_t letters;

	if (!rf_image_memory_read(memory, entry + 4, bytes, sizeof(bytes)) ||
	    memcmp(bytes, common, 6) != 0)
		return false;
	letters = strnlen((const char *)bytes + 5, MAX_LETTERS + 1);
	data = bytes + 5 + letters + 1;
	if (letters > MAX_LETTERS || memcmp(data, common + 8, 3) != 0)
		return false;
	data += 4; /* and the length of the data */
	for (const unsigned char *letter = bytes + 6; *letter && *letter != 'R'; letter++)
		if (*letter == 'P')
			data += (*data & 0x0f) == 0x0b || (*data & 0x0f) == 0x03 ? 5 : 9;
		else if (*letter == 'L')
			data++;
	return memchr(bytes + 6, 'R', letters - 1) && *data == common[sizeof(common) - 1];
}

static bool is_beginning(struct rf_image_memory *memory, uint64_t entry)
{
	unsigned char bytes[sizeof(common)];

	return rf_image_memory_read(memory, entry + 4, bytes, sizeof(bytes)) &&
	       memcmp(bytes, common, sizeof(bytes)) == 0;
}

/* One record at `at`; its bytes, 0 at the end, or -ENOMEM. */
static int64_t read_record(struct rf_frame_table *table, struct rf_image_memory *memory,
			   const struct rf_object *object, uint64_t at)
{
	struct {
		uint32_t bytes, entry;
		int32_t function;
	} record;
	uint64_t function;

	if (!rf_image_memory_read(memory, at, &record, sizeof(record)) || record.bytes == 0 ||
	    record.bytes > MAX_RECORD_BYTES || table->count == MAX_ENTRIES)
		return 0;
	function = at + FUNCTION_OFFSET + (uint64_t)(int64_t)record.function;
	if (record.entry != 0 && is_readable(memory, at + 4 - record.entry) &&
	    add(table, (int64_t)(function - object->start), (int64_t)(at - object->start)) < 0)
		return -ENOMEM;
	return record.bytes + (int64_t)sizeof(record.bytes);
}

/* The first place from `at` on that looks like the beginning of the section; `end` if there is
 * none. */
static uint64_t find_section(struct rf_image_memory *memory, uint64_t at, uint64_t end)
{
	for (; at < end; at += RECORD_ALIGNMENT) {
		unsigned char probe[4];

		/* "zR" and what is around it: quick to refuse */
		if (rf_image_memory_read(memory, at + 8, probe, sizeof(probe)) &&
		    memcmp(probe, common + 4, sizeof(probe)) == 0 && is_beginning(memory, at))
			return at;
	}
	return end;
}

static int compare(const void *a, const void *b)
{
	const struct rf_frame_entry *first = a, *second = b;

	return first->function < second->function ? -1 : first->function > second->function;
}

/* All records from `at` on; 0 or -ENOMEM. */
static int read_records(struct rf_frame_table *table, struct rf_image_memory *memory,
			const struct rf_object *object, uint64_t at, uint64_t end)
{
	int64_t bytes = 1;

	while (at < end && bytes > 0 && table->records_left > 0) {
		table->records_left--;
		bytes = read_record(table, memory, object, at);
		at += (uint64_t)bytes;
	}
	return bytes < 0 ? (int)bytes : 0;
}

/* .eh_frame is in a mapping that is only read, as linkers lay programs out.  Constants of a program
 * may look like its beginning, but describe no function. */
static int read_mapping(struct rf_frame_table *table, struct rf_image_memory *memory,
			const struct rf_object *object, const struct rf_image_mapping *mapping)
{
	uint64_t at = mapping->start;
	int error = 0;

	while (error == 0 && table->count == 0 && table->records_left > 0 && at < mapping->end) {
		at = find_section(memory, at, mapping->end);
		error = read_records(table, memory, object, at, mapping->end);
		at += RECORD_ALIGNMENT;
	}
	return error;
}

int rf_frame_table_read(struct rf_frame_table *table, struct rf_image_memory *memory,
			const struct rf_object *object)
{
	const struct rf_image *image = &memory->source->image;
	uint64_t left = MAX_SCAN_BYTES;
	int error = 0;

	*table = (struct rf_frame_table){ .records_left = MAX_RECORDS };
	for (size_t i = object->mapping;
	     error == 0 && table->count == 0 && i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];
		uint64_t bytes = mapping->end - mapping->start;

		if (mapping->start >= object->end || bytes > left)
			break;
		left -= bytes;
		if (!(mapping->protection & RF_PROTECTION_WRITE))
			error = read_mapping(table, memory, object, mapping);
	}
	if (table->count)
		qsort(table->entries, table->count, sizeof(*table->entries), compare);
	return error;
}

void rf_frame_table_release(struct rf_frame_table *table)
{
	free(table->entries);
	*table = (struct rf_frame_table){ 0 };
}
