/* SPDX-License-Identifier: MIT */
/*
 * Makes statefiles for the tests of their readers, and judges what these let through.  Shares no
 * code with the writer, so that both must follow the document.
 */
#define _GNU_SOURCE
#include "tests/unit/statefile_sample.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/statefile.h"
#include "tests/unit/image_rules.h"

#define PAGE ((uint64_t)SAMPLE_PAGE)
#define RECORDS_OFFSET ((1 + STATEFILE_DATA_PAGES) * PAGE)
#define STACK_DATA (3 * PAGE) /* in data */

struct rf_image_segment *statefile_segment(struct statefile_sample *sample,
					   enum statefile_segment segment)
{
	return (struct rf_image_segment *)sample_payload(&sample->records, RF_RECORD_SEGMENTS, 0) +
	       segment;
}

uint64_t *statefile_chunks(struct statefile_sample *sample)
{
	return sample_payload(&sample->records, RF_RECORD_CHUNKS, 0);
}

static void fill_data(struct statefile_sample *sample)
{
	memset(sample->data, 0, sizeof(sample->data));
	for (size_t i = 0; i < 2 * PAGE; i++)
		sample->data[i] = (unsigned char)(i * 2654435761u >> 11);
	memset(sample->data + STACK_DATA, 's', PAGE);
	memset(sample->data + STACK_DATA + 2 * PAGE, 't', PAGE);
}

static void append_index(struct statefile_sample *sample)
{
	uint64_t text = sample_mapping(&sample->records, SAMPLE_TEXT)->start;
	uint64_t heap = sample_mapping(&sample->records, SAMPLE_HEAP)->start;
	uint64_t stack = sample_mapping(&sample->records, SAMPLE_STACK)->end;
	const struct rf_image_segment segments[STATEFILE_SEGMENTS] = {
		[STATEFILE_TEXT] = { .address = text + PAGE,
				     .bytes = PAGE,
				     .kind = RF_SEGMENT_ZERO },
		[STATEFILE_HEAP] = { .address = heap + PAGE, .bytes = 2 * PAGE, .offset = PAGE },
		[STATEFILE_GUARD] = { .address = heap + 4 * PAGE,
				      .bytes = PAGE,
				      .kind = RF_SEGMENT_GUARD },
		[STATEFILE_STACK] = { .address = stack - 3 * PAGE,
				      .bytes = 3 * PAGE,
				      .offset = PAGE + STACK_DATA },
	};
	unsigned end = sample_index(&sample->records, RF_RECORD_END, 0);

	sample_insert(&sample->records, end, RF_RECORD_SEGMENTS, 0, segments, sizeof(segments));
	sample_insert(&sample->records, end + 1, RF_RECORD_CHUNKS, 0, "", 0);
}

void statefile_make(struct statefile_sample *sample)
{
	sample->change_note = NULL;
	sample_make(&sample->records);
	sample_remove(&sample->records, sample_index(&sample->records, RF_RECORD_FORECAST, 0));
	sample_remove(&sample->records, sample_index(&sample->records, RF_RECORD_PAGES, 0));
	fill_data(sample);
	append_index(sample);
	statefile_digest(sample);
}

void statefile_name(struct statefile_sample *sample, char id, char parent, const char *path)
{
	struct sample_record *record = sample_find(&sample->records, RF_RECORD_ORIGIN, 0);
	struct rf_image_origin *origin;

	sample_resize(record, (uint32_t)(sizeof(*origin) + strlen(path)));
	origin = (struct rf_image_origin *)(void *)record->payload;
	origin->path_bytes = (uint32_t)strlen(path);
	memset(origin->id, 0, sizeof(origin->id));
	memset(origin->parent, 0, sizeof(origin->parent));
	origin->id[0] = (uint8_t)id;
	origin->parent[0] = (uint8_t)parent;
	memcpy(origin + 1, path, strlen(path));
}

static uint64_t digest_chunk(const unsigned char *data, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (data[i])
			return rf_digest64(data, bytes);
	return 0;
}

void statefile_digest(struct statefile_sample *sample)
{
	struct sample_record *segments = sample_find(&sample->records, RF_RECORD_SEGMENTS, 0);
	struct sample_record *chunks = sample_find(&sample->records, RF_RECORD_CHUNKS, 0);
	struct rf_image_end *end = sample_payload(&sample->records, RF_RECORD_END, 0);
	uint32_t count = 0;

	end->data_pages = 0;
	for (uint32_t i = 0; i < segments->bytes / sizeof(struct rf_image_segment); i++) {
		const struct rf_image_segment *segment = statefile_segment(sample, i);

		/* none of the sample is longer than a chunk */
		if (segment->kind != RF_SEGMENT_DATA)
			continue;
		sample_resize(chunks, ++count * (uint32_t)sizeof(uint64_t));
		statefile_chunks(sample)[count - 1] =
			digest_chunk(sample->data + segment->offset - PAGE, segment->bytes);
		end->data_pages += segment->bytes / PAGE;
	}
	sample_resize(chunks, count * (uint32_t)sizeof(uint64_t));
	sample_recount(&sample->records);
}

/* As the document says: pages of the head, with the note taken as zero. */
static uint64_t digest_head(const struct rf_statefile_note *note)
{
	static const struct rf_statefile_note nothing;
	unsigned char head[SAMPLE_PAGE] = { 0 };

	rf_statefile_make_head(head, note);
	memcpy(head + RF_STATEFILE_NOTE_OFFSET, &nothing, sizeof(nothing));
	return rf_digest64(head, sizeof(head));
}

unsigned char *statefile_encode(const struct statefile_sample *sample, size_t *bytes)
{
	struct rf_statefile_note note = { .version = 1,
					  .head_pages = 1,
					  .records_offset = RECORDS_OFFSET };
	unsigned char *file, *records = sample_encode(&sample->records, bytes);

	note.records_bytes = *bytes;
	note.file_bytes = RECORDS_OFFSET + *bytes;
	note.id[0] = 'i';
	note.id[1] = 'd';
	for (unsigned i = 0; i < sample->records.count; i++)
		if (sample->records.records[i].type == RF_RECORD_ORIGIN &&
		    sample->records.records[i].bytes >= sizeof(note.id))
			memcpy(note.id, sample->records.records[i].payload, sizeof(note.id));
	note.head_digest = digest_head(&note);
	if (sample->change_note)
		sample->change_note(&note);
	note.digest = rf_digest64(&note, 56);
	file = calloc(1, RECORDS_OFFSET + *bytes + 1);
	if (!file)
		abort();
	rf_statefile_make_head(file, &note);
	memcpy(file + PAGE, sample->data, sizeof(sample->data));
	memcpy(file + RECORDS_OFFSET, records, *bytes);
	*bytes += RECORDS_OFFSET;
	free(records);
	return file;
}

void statefile_write(const char *path, const unsigned char *file, size_t bytes)
{
	static const unsigned char zeros[SAMPLE_PAGE];
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		abort();
	/* zeros stay holes, as in what the writer makes */
	for (size_t at = 0, now; at < bytes; at += now) {
		now = bytes - at < SAMPLE_PAGE ? bytes - at : SAMPLE_PAGE;
		if (memcmp(file + at, zeros, now) != 0 &&
		    pwrite(fd, file + at, now, (off_t)at) != (ssize_t)now)
			abort();
	}
	close(fd);
}

/* -- the rules ----------------------------------------------------------------------------- */

static const char *judge_segment(const struct rf_image *image, const struct rf_segment *segment)
{
	if (segment->address % PAGE || segment->bytes % PAGE || segment->bytes == 0 ||
	    segment->kind > 2)
		return "a segment is malformed";
	for (uint32_t i = 0; i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		if (segment->address < mapping->start || segment->address >= mapping->end)
			continue;
		if (mapping->kind % 2 == 1 && mapping->flags & RF_MAPPING_SHARED)
			return "a segment is in a shared file";
		return segment->bytes > mapping->end - segment->address
			       ? "a segment is not within its mapping"
			       : NULL;
	}
	return "a segment is in no mapping";
}

const char *statefile_judge(const struct rf_source *source, size_t file_bytes)
{
	struct rf_image image = source->image;
	uint64_t address = 0, offset = PAGE;
	const char *fault;

	/* what a source has of its own */
	image.locks = source->locks;
	image.lock_count = (uint32_t)source->lock_count;
	image.lost = source->lost;
	fault = sample_judge_layout(&image);
	for (size_t i = 0; i < source->segment_count && !fault; i++) {
		const struct rf_segment *segment = &source->segments[i];

		fault = judge_segment(&source->image, segment);
		if (segment->address < address)
			fault = "segments overlap in memory";
		address = segment->address + segment->bytes;
		if (segment->kind != RF_SEGMENT_DATA)
			continue;
		if (segment->offset % PAGE || segment->offset < offset ||
		    segment->offset > file_bytes || segment->bytes > file_bytes - segment->offset)
			fault = "segments overlap in the file, or lie outside it";
		offset = segment->offset + segment->bytes;
	}
	return fault;
}
