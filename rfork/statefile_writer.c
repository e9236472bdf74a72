/* SPDX-License-Identifier: MIT */
/*
 * Statefiles: where pages go is planned first, without a look at them; then any number of
 * threads write them, a chunk at a time.  Called by the holder of a checkpoint and by undump.
 */
#define _GNU_SOURCE
#include "rfork/statefile_writer.h"

#include <errno.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/io.h"
#include "rfork/sys.h"
#include "rfork/zero_page.h"

#define PAGE_BYTES RF_ZERO_PAGE_BYTES
/* Runs of pages that are no farther apart share a segment: the pages between become a hole. */
#define SKIPPED_BYTES ((uint64_t)16 * PAGE_BYTES)
/* At most, in one record. */
#define SEGMENTS_BATCH 512u
#define CHUNKS_BATCH 65536u

static uint64_t chunks_of(uint64_t bytes)
{
	return (bytes + RF_CHUNK_BYTES - 1) / RF_CHUNK_BYTES;
}

/* -- the plan ---------------------------------------------------------------------------------- */

void rf_statefile_begin(struct rf_statefile_writer *writer, int fd, uint64_t data_offset,
			const struct rf_statefile_tables *tables)
{
	*writer =
		(struct rf_statefile_writer){ .fd = fd, .offset = data_offset, .tables = *tables };
}

void rf_statefile_mapping(struct rf_statefile_writer *writer, bool may_skip)
{
	writer->may_join = false;
	writer->may_skip = may_skip;
}

/* The last segment, if pages at address may be added to it; else NULL. */
static struct rf_statefile_segment *find_joinable(struct rf_statefile_writer *writer,
						  uint64_t address, enum rf_segment_kind kind,
						  uint32_t how)
{
	struct rf_statefile_segment *last = writer->tables.segments + writer->segment_count - 1;
	uint64_t gap_bytes;

	if (!writer->may_join || last->image.kind != kind || last->how != how)
		return NULL;
	gap_bytes = address - (last->image.address + last->image.bytes);
	if (gap_bytes == 0)
		return last;
	return writer->may_skip && kind == RF_SEGMENT_DATA && gap_bytes <= SKIPPED_BYTES ? last
											 : NULL;
}

static struct rf_statefile_segment *open_segment(struct rf_statefile_writer *writer,
						 uint64_t address, enum rf_segment_kind kind,
						 uint32_t how)
{
	struct rf_statefile_segment *segment;

	if (writer->segment_count == writer->tables.segment_capacity)
		return NULL;
	segment = &writer->tables.segments[writer->segment_count++];
	*segment = (struct rf_statefile_segment){
		.image = { .address = address,
			   .offset = kind == RF_SEGMENT_DATA ? writer->offset : 0,
			   .kind = (uint32_t)kind },
		.how = how,
		.first_chunk = writer->chunk_count,
	};
	return segment;
}

int rf_statefile_plan(struct rf_statefile_writer *writer, uint64_t address, uint64_t pages,
		      enum rf_segment_kind kind, uint32_t how)
{
	struct rf_statefile_segment *segment = find_joinable(writer, address, kind, how);

	if (!segment)
		segment = open_segment(writer, address, kind, how);
	if (!segment)
		return -ENOBUFS;
	segment->image.bytes = address + pages * PAGE_BYTES - segment->image.address;
	writer->may_join = true;
	if (kind != RF_SEGMENT_DATA)
		return 0;
	writer->offset = segment->image.offset + segment->image.bytes;
	writer->chunk_count = segment->first_chunk + chunks_of(segment->image.bytes);
	return writer->chunk_count > writer->tables.chunk_capacity ? -ENOBUFS : 0;
}

/* -- pages ------------------------------------------------------------------------------------- */

static int write_at(int fd, const void *data, size_t bytes, uint64_t offset)
{
	struct iovec piece = { (void *)data, bytes };

	return rf_io_pwritev_full(fd, &piece, 1, offset);
}

/* Writes what is not zero; *digest of all, 0 if nothing was written. */
static int write_chunk(int fd, const unsigned char *data, size_t bytes, uint64_t offset,
		       uint64_t *digest)
{
	size_t start, end = 0;

	*digest = 0;
	for (;;) {
		int error;

		for (start = end; start < bytes && rf_is_zero_page(data + start);)
			start += PAGE_BYTES;
		if (start == bytes)
			return 0;
		/* what is digested is in the cache when it is copied */
		if (!*digest)
			*digest = rf_digest64(data, bytes);
		for (end = start; end < bytes && !rf_is_zero_page(data + end);)
			end += PAGE_BYTES;
		error = write_at(fd, data + start, end - start, offset + start);
		if (error < 0)
			return error;
	}
}

/* Looks at the chunk of this number, in a segment, and writes it. */
static int copy_chunk(struct rf_statefile_writer *writer,
		      const struct rf_statefile_segment *segment, uint64_t chunk,
		      rf_statefile_look look, void *context, void *bounce)
{
	uint64_t at = (chunk - segment->first_chunk) * RF_CHUNK_BYTES;
	uint64_t left = segment->image.bytes - at;
	size_t bytes = left < RF_CHUNK_BYTES ? left : RF_CHUNK_BYTES;
	const void *data;
	int error = look(context, segment, segment->image.address + at, bytes, bounce, &data);

	if (error < 0) {
		writer->failed_at = segment->image.address + at;
		return error;
	}
	if (error == RF_STATEFILE_LATER)
		return 0;
	return write_chunk(writer->fd, data, bytes, segment->image.offset + at,
			   &writer->tables.chunks[chunk]);
}

static bool holds_chunk(const struct rf_statefile_segment *segment, uint64_t chunk)
{
	return segment->image.kind == RF_SEGMENT_DATA &&
	       chunk - segment->first_chunk < chunks_of(segment->image.bytes);
}

static void fail(struct rf_statefile_writer *writer, int error)
{
	int none = 0;

	__atomic_compare_exchange_n(&writer->error, &none, error, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

int rf_statefile_write_pages(struct rf_statefile_writer *writer, rf_statefile_look look,
			     void *context, void *bounce)
{
	const struct rf_statefile_segment *segment = writer->tables.segments;
	uint64_t chunk;
	int error;

	while ((error = __atomic_load_n(&writer->error, __ATOMIC_RELAXED)) == 0 &&
	       (chunk = __atomic_fetch_add(&writer->next_chunk, 1, __ATOMIC_RELAXED)) <
		       writer->chunk_count) {
		while (!holds_chunk(segment, chunk)) /* chunks come to a thread in their order */
			segment++;
		error = copy_chunk(writer, segment, chunk, look, context, bounce);
		if (error < 0)
			fail(writer, error);
	}
	return error;
}

void rf_statefile_again(struct rf_statefile_writer *writer)
{
	writer->next_chunk = 0;
}

/* -- records ----------------------------------------------------------------------------------- */

void rf_statefile_records(const struct rf_statefile_writer *writer, struct rf_image_writer *records,
			  struct rf_statefile_note *note)
{
	note->version = RF_STATEFILE_VERSION;
	note->records_offset = writer->offset;
	rf_image_writer_init(records, writer->fd, RF_NO_DEADLINE);
	rf_image_writer_place(records, writer->offset);
}

static int write_segments(const struct rf_statefile_writer *writer, struct rf_image_writer *records)
{
	struct rf_image_segment batch[SEGMENTS_BATCH];
	size_t done = 0;

	while (done < writer->segment_count) {
		struct iovec piece = { batch, 0 };
		size_t count = 0;
		int error;

		while (count < SEGMENTS_BATCH && done < writer->segment_count)
			batch[count++] = writer->tables.segments[done++].image;
		piece.iov_len = count * sizeof(batch[0]);
		error = rf_image_write(records, RF_RECORD_SEGMENTS, &piece, 1);
		if (error < 0)
			return error;
	}
	return 0;
}

static int write_chunks(const struct rf_statefile_writer *writer, struct rf_image_writer *records)
{
	for (size_t done = 0, count; done < writer->chunk_count; done += count) {
		struct iovec piece = { writer->tables.chunks + done, 0 };
		int error;

		count = writer->chunk_count - done;
		if (count > CHUNKS_BATCH)
			count = CHUNKS_BATCH;
		piece.iov_len = count * sizeof(writer->tables.chunks[0]);
		error = rf_image_write(records, RF_RECORD_CHUNKS, &piece, 1);
		if (error < 0)
			return error;
	}
	return 0;
}

static int sync_file(int fd)
{
	long error;

	do
		error = rf_syscall(SYS_fsync, fd);
	while (error == -EINTR);
	return (int)error;
}

int rf_statefile_finish(struct rf_statefile_writer *writer, struct rf_image_writer *records,
			struct rf_statefile_note *note, uint64_t note_offset)
{
	int error = write_segments(writer, records);

	for (size_t i = 0; i < writer->segment_count; i++)
		if (writer->tables.segments[i].image.kind == RF_SEGMENT_DATA)
			records->data_pages += writer->tables.segments[i].image.bytes / PAGE_BYTES;
	if (error == 0)
		error = write_chunks(writer, records);
	if (error == 0)
		error = rf_image_write_end(records);
	if (error < 0)
		return error;
	note->file_bytes = records->offset;
	note->records_bytes = note->file_bytes - note->records_offset;
	if (!note->head_digest) /* else the caller had the head in memory */
		error = rf_statefile_digest_head(writer->fd, note, note_offset, &note->head_digest);
	if (error < 0)
		return error;
	rf_statefile_seal_note(note);
	error = (int)rf_syscall(SYS_ftruncate, writer->fd, note->file_bytes);
	if (error == 0)
		error = sync_file(writer->fd);
	if (error == 0)
		error = write_at(writer->fd, note, sizeof(*note), note_offset);
	return error < 0 ? error : sync_file(writer->fd);
}
