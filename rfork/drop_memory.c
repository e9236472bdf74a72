/* SPDX-License-Identifier: MIT */
/*
 * Memory that tests leave out of an image: its contents, or what is special about a mapping.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "rfork/drop_parts.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u

/* -- mappings ---------------------------------------------------------------------------------- */

static size_t change_each(void *payload, size_t bytes,
			  void (*change)(struct rf_image_mapping *mapping))
{
	struct rf_image_mapping *mappings = payload;

	for (size_t i = 0; i < bytes / sizeof(*mappings); i++)
		change(&mappings[i]);
	return bytes;
}

static void make_writable(struct rf_image_mapping *mapping)
{
	if (mapping->kind == RF_MAPPING_ANONYMOUS && mapping->protection == RF_PROTECTION_READ)
		mapping->protection |= RF_PROTECTION_WRITE;
}

size_t rf_drop_read_only(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, make_writable);
}

static void make_accessible(struct rf_image_mapping *mapping)
{
	if (mapping->kind == RF_MAPPING_ANONYMOUS && mapping->protection == 0)
		mapping->protection = RF_PROTECTION_READ | RF_PROTECTION_WRITE;
}

size_t rf_drop_inaccessible(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, make_accessible);
}

static void forbid_execution(struct rf_image_mapping *mapping)
{
	if (mapping->kind == RF_MAPPING_ANONYMOUS)
		mapping->protection &= ~RF_PROTECTION_EXECUTE;
}

size_t rf_drop_executable(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, forbid_execution);
}

static void forget_growth(struct rf_image_mapping *mapping)
{
	mapping->flags &= ~RF_MAPPING_GROWSDOWN;
}

size_t rf_drop_growth(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, forget_growth);
}

static void make_private(struct rf_image_mapping *mapping)
{
	if (mapping->kind != RF_MAPPING_ANONYMOUS || !(mapping->flags & RF_MAPPING_SHARED))
		return;
	mapping->flags &= ~RF_MAPPING_SHARED;
	mapping->file = RF_IMAGE_NONE;
	mapping->file_offset = 0;
}

size_t rf_drop_sharing(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, make_private);
}

static void make_file_private(struct rf_image_mapping *mapping)
{
	if (mapping->kind == RF_MAPPING_FILE)
		mapping->flags &= ~RF_MAPPING_SHARED;
}

size_t rf_drop_file_sharing(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, make_file_private);
}

static void unlock(struct rf_image_mapping *mapping)
{
	mapping->flags &= ~RF_MAPPING_LOCKS;
}

size_t rf_drop_locks(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, unlock);
}

static void make_ordinary(struct rf_image_mapping *mapping)
{
	mapping->flags &= ~RF_MAPPING_HUGE;
}

size_t rf_drop_huge_memory(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return change_each(payload, bytes, make_ordinary);
}

/* A mark that says nothing else goes as well. */
size_t rf_drop_protection_keys(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_mark *marks = payload;
	size_t kept = 0;

	(void)drop;
	for (size_t i = 0; i < bytes / sizeof(*marks); i++) {
		marks[i].key = 0;
		if (marks[i].flags)
			marks[kept++] = marks[i];
	}
	return kept * sizeof(*marks);
}

/* -- contents ---------------------------------------------------------------------------------- */

bool rf_drop_is_heap(const struct rf_drop *drop, size_t mapping)
{
	const struct rf_image_mapping *image = &drop->mappings[mapping];

	return image->kind != RF_MAPPING_FILE && image->start < drop->process.brk &&
	       image->end > drop->process.start_brk;
}

bool rf_drop_is_stack(const struct rf_drop *drop, size_t mapping)
{
	const struct rf_image_mapping *image = &drop->mappings[mapping];

	return image->start <= drop->process.start_stack && drop->process.start_stack < image->end;
}

static bool is_of_program(const struct rf_drop *drop, const struct rf_image_mapping *image)
{
	return image->kind != RF_MAPPING_ANONYMOUS && image->file < RF_DROP_MAX_FILES &&
	       drop->is_program[image->file];
}

/* What begins as zeros, and lies behind the other variables. */
static bool is_bss(const struct rf_drop *drop, size_t mapping)
{
	const struct rf_image_mapping *image = &drop->mappings[mapping];

	return image->kind == RF_MAPPING_ANONYMOUS && mapping > 0 &&
	       image[-1].end == image->start &&
	       (is_of_program(drop, image - 1) || is_bss(drop, mapping - 1)) &&
	       !rf_drop_is_heap(drop, mapping);
}

/* Those of the program and its libraries. */
bool rf_drop_is_variables(const struct rf_drop *drop, size_t mapping)
{
	return is_of_program(drop, &drop->mappings[mapping]) || is_bss(drop, mapping);
}

/* What the program has mapped: not thread-local data, without which nothing runs. */
bool rf_drop_is_mapped(const struct rf_drop *drop, size_t mapping)
{
	const struct rf_image_mapping *image = &drop->mappings[mapping];

	return image->kind == RF_MAPPING_ANONYMOUS && !rf_drop_is_heap(drop, mapping) &&
	       !rf_drop_is_stack(drop, mapping) && !is_bss(drop, mapping) &&
	       (drop->fs_base < image->start || drop->fs_base >= image->end);
}

/* What was written to a private mapping of a file. */
bool rf_drop_is_private_file(const struct rf_drop *drop, size_t mapping)
{
	const struct rf_image_mapping *image = &drop->mappings[mapping];

	return image->kind != RF_MAPPING_ANONYMOUS && !is_of_program(drop, image);
}

/* -- at rest ----------------------------------------------------------------------------------- */

/* The digests of a dropped segment are dropped as well, and so are its data: what belongs to
 * nothing is refused. */
static int drop_segment(struct rf_drop *drop, int file, struct rf_image_segment *segment,
			uint64_t chunks)
{
	long error = rf_syscall(SYS_fallocate, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				segment->offset, segment->bytes);

	if (error < 0)
		return (int)error;
	if (drop->segment_count == RF_DROP_MAX_SEGMENTS)
		return -EMSGSIZE;
	drop->chunks[drop->segment_count].first = drop->chunks_in_segments;
	drop->chunks[drop->segment_count++].count = chunks;
	drop->dropped_pages += segment->bytes / PAGE_BYTES;
	segment->kind = RF_SEGMENT_ZERO;
	segment->offset = 0;
	return 0;
}

int rf_drop_segments(struct rf_drop *drop, int file, size_t bytes)
{
	struct rf_image_segment *segments = (struct rf_image_segment *)drop->payload;
	int error = 0;

	for (size_t i = 0; i < bytes / sizeof(*segments) && error == 0; i++) {
		struct rf_image_segment *segment = &segments[i];
		uint64_t chunks = (segment->bytes + RF_CHUNK_BYTES - 1) / RF_CHUNK_BYTES;

		if (segment->kind == RF_SEGMENT_GUARD && rf_drop_has_guards(drop))
			segment->kind = RF_SEGMENT_ZERO;
		if (segment->kind != RF_SEGMENT_DATA)
			continue;
		if (rf_drop_has_data(drop, segment->address))
			error = drop_segment(drop, file, segment, chunks);
		drop->chunks_in_segments += chunks;
	}
	return error;
}

static bool is_dropped(const struct rf_drop *drop, uint64_t chunk)
{
	for (size_t i = 0; i < drop->segment_count; i++)
		if (chunk >= drop->chunks[i].first &&
		    chunk - drop->chunks[i].first < drop->chunks[i].count)
			return true;
	return false;
}

size_t rf_drop_chunks(struct rf_drop *drop, size_t bytes)
{
	uint64_t *digests = (uint64_t *)drop->payload;
	size_t kept = 0;

	for (size_t i = 0; i < bytes / sizeof(*digests); i++)
		if (!is_dropped(drop, drop->chunks_in_chunks++))
			digests[kept++] = digests[i];
	return kept * sizeof(*digests);
}
