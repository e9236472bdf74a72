/* SPDX-License-Identifier: MIT */
/*
 * The second half of the image reader for images at rest: SEGMENTS and CHUNKS to END.  Where the
 * pages are is checked here; the pages themselves are not read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

#define PAGE_BYTES 4096u

void rf_reader_release_index(struct rf_reader_index *index)
{
	free(index->segments);
	free(index->chunks);
	free(index->contents);
	*index = (struct rf_reader_index){ 0 };
}

/* What is known of the segments so far. */
struct progress {
	struct rf_reader_index *index;
	const struct rf_image *image;
	size_t mapping;	       /* that of the last segment: they ascend, as segments do */
	uint64_t last_address; /* where the last one ended, in memory and in the file */
	uint64_t last_offset;
	uint64_t end_offset;  /* where the page data end in the file */
	uint64_t data_chunks; /* as many digests as must come */
	uint64_t data_pages;
	uint64_t data_offset; /* in the file: of the bytes of a content */
	struct rf_report *report;
};

static bool is_in_mapping_with_pages(struct progress *progress, uint64_t address, uint64_t end)
{
	const struct rf_image *image = progress->image;
	const struct rf_image_mapping *mapping;

	while (progress->mapping < image->head.mappings &&
	       image->mappings[progress->mapping].end <= address)
		progress->mapping++;
	if (progress->mapping == image->head.mappings)
		return false;
	mapping = &image->mappings[progress->mapping];
	return address >= mapping->start && end <= mapping->end &&
	       !rf_mapping_is_shared_file(mapping);
}

/* Why a segment is none; NULL if it is one. */
static const char *find_fault(struct progress *progress, const struct rf_image_segment *segment)
{
	uint64_t end;

	if (segment->kind > RF_SEGMENT_GUARD || segment->reserved)
		return "a segment has an unknown property";
	if (segment->address % PAGE_BYTES || segment->bytes % PAGE_BYTES || segment->bytes == 0 ||
	    __builtin_add_overflow(segment->address, segment->bytes, &end))
		return "a segment is malformed";
	if (segment->address < progress->last_address)
		return "segments are out of order";
	if (!is_in_mapping_with_pages(progress, segment->address, end))
		return "a segment lies in no mapping that could have it";
	progress->last_address = end;
	if (segment->kind != RF_SEGMENT_DATA)
		return segment->offset ? "a segment without data has a place in the file" : NULL;
	if (segment->offset % PAGE_BYTES || segment->offset < progress->last_offset ||
	    __builtin_add_overflow(segment->offset, segment->bytes, &progress->last_offset) ||
	    progress->last_offset > progress->end_offset)
		return "the data of a segment are out of range";
	return NULL;
}

static int take_segments(struct rf_reader *reader, struct progress *progress, size_t bytes)
{
	struct rf_reader_index *index = progress->index;
	size_t count = bytes / sizeof(*index->segments);
	struct rf_image_segment *grown;

	if (bytes == 0 || bytes % sizeof(*index->segments))
		return rf_record_corrupt(reader, "SEGMENTS has another length");
	if (count > RF_IMAGE_MAX_SEGMENTS - index->segment_count)
		return rf_record_corrupt(reader, "there are too many segments");
	if (index->chunks)
		return rf_record_corrupt(reader, "it is out of order");
	grown = realloc(index->segments, (index->segment_count + count) * sizeof(*grown));
	if (!grown)
		return rf_report(reader->report, ENOMEM, "no memory for the index of the image");
	index->segments = grown;
	memcpy(grown + index->segment_count, reader->payload, bytes);
	for (size_t i = 0; i < count; i++) {
		const struct rf_image_segment *segment = &grown[index->segment_count];
		const char *fault = find_fault(progress, segment);

		if (fault)
			return rf_record_corrupt(reader, fault);
		index->segment_count++;
		if (segment->kind != RF_SEGMENT_DATA)
			continue;
		progress->data_chunks += (segment->bytes + RF_CHUNK_BYTES - 1) / RF_CHUNK_BYTES;
		progress->data_pages += segment->bytes / PAGE_BYTES;
	}
	return 0;
}

static int take_chunks(struct rf_reader *reader, struct progress *progress, size_t bytes)
{
	struct rf_reader_index *index = progress->index;
	size_t count = bytes / sizeof(*index->chunks);
	uint64_t *grown;

	if (bytes == 0 || bytes % sizeof(*index->chunks))
		return rf_record_corrupt(reader, "CHUNKS has another length");
	if (count > progress->data_chunks - index->chunk_count)
		return rf_record_corrupt(reader, "there are more digests than chunks of data");
	grown = realloc(index->chunks, (index->chunk_count + count) * sizeof(*grown));
	if (!grown)
		return rf_report(reader->report, ENOMEM, "no memory for the index of the image");
	index->chunks = grown;
	memcpy(grown + index->chunk_count, reader->payload, bytes);
	index->chunk_count += count;
	return 0;
}

static int take_end(struct rf_reader *reader, const struct progress *progress, size_t bytes)
{
	struct rf_image_end end;

	if (bytes != sizeof(end))
		return rf_record_corrupt(reader, "END has another length");
	memcpy(&end, reader->payload, sizeof(end));
	if (progress->index->chunk_count != progress->data_chunks)
		return rf_record_corrupt(reader, "there are fewer digests than chunks of data");
	if (end.records != reader->sequence + 1 || end.data_pages != progress->data_pages)
		return rf_record_corrupt(reader, "END counts otherwise");
	return 0;
}

/* Notes where the record has its bytes, which have been checked just now. */
static int note_content(void *context, uint32_t object, uint64_t offset, const void *data,
			size_t bytes)
{
	struct progress *progress = context;
	struct rf_reader_index *index = progress->index;
	size_t capacity = index->content_capacity ? 2 * index->content_capacity : 16;

	(void)data;
	if (index->content_count == index->content_capacity) {
		struct rf_reader_content *grown =
			realloc(index->contents, capacity * sizeof(*grown));

		if (!grown)
			return rf_report(progress->report, ENOMEM,
					 "no memory for the index of the image");
		index->contents = grown;
		index->content_capacity = capacity;
	}
	index->contents[index->content_count++] =
		(struct rf_reader_content){ .object = object,
					    .offset = offset,
					    .bytes = bytes,
					    .file_offset = progress->data_offset };
	return 0;
}

static int take_content(struct rf_reader *reader, struct progress *progress,
			const struct rf_record_header *header)
{
	const struct rf_content_sink sink = { .put = note_content, .context = progress };
	int error;

	if (progress->index->segment_count)
		return rf_record_corrupt(reader, "it is out of order");
	progress->data_offset =
		reader->record_offset + sizeof(*header) + sizeof(struct rf_image_content);
	reader->contents = &sink;
	error = rf_record_take_content(reader, progress->image, header);
	reader->contents = NULL;
	return error;
}

static int take(struct rf_reader *reader, struct rf_image *image, struct progress *progress,
		const struct rf_record_header *header)
{
	int error;

	if (header->type == RF_RECORD_CONTENT)
		return take_content(reader, progress, header);

	if (header->type > RF_RECORD_LAST || header->type == 0)
		return rf_record_skip(reader, header);
	if (header->type != RF_RECORD_SEGMENTS && header->type != RF_RECORD_CHUNKS &&
	    header->type != RF_RECORD_MARKS && header->type != RF_RECORD_END)
		return rf_record_corrupt(reader, "it is out of order");
	error = rf_record_read_payload(reader, header,
				       header->type == RF_RECORD_END ? 0 : RF_RECORD_END_BYTES);
	if (error < 0)
		return error;
	if (header->type == RF_RECORD_MARKS)
		return rf_record_take_marks(reader, image, header->length_bytes);
	if (header->type == RF_RECORD_SEGMENTS)
		return take_segments(reader, progress, header->length_bytes);
	if (header->type == RF_RECORD_CHUNKS)
		return take_chunks(reader, progress, header->length_bytes);
	return take_end(reader, progress, header->length_bytes);
}

int rf_reader_index(struct rf_reader *reader, struct rf_image *image, uint64_t first_offset,
		    uint64_t end_offset, struct rf_reader_index *index)
{
	struct progress progress = { .index = index,
				     .image = image,
				     .report = reader->report,
				     .last_offset = first_offset,
				     .end_offset = end_offset };
	struct rf_record_header header;
	int error;

	*index = (struct rf_reader_index){ 0 };
	do {
		error = rf_record_read_header(reader, &header, RF_RECORD_END_BYTES);
		if (error == 0)
			error = take(reader, image, &progress, &header);
		if (error < 0)
			return error;
		reader->sequence++;
	} while (header.type != RF_RECORD_END);
	return 0;
}
