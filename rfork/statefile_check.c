/* SPDX-License-Identifier: MIT */
/*
 * Reads a whole statefile or executable, with its parents, and compares all digests that its
 * records do not have themselves: of the head and of the page data.  What belongs to nothing must
 * be zero.  Called by undump --check.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/statefile.h"
#include "rfork/statefile_reader.h"

#define PAGE_BYTES 4096u

struct check {
	const struct rf_source_file *file;
	unsigned char *buffer;	       /* a chunk */
	uint64_t hole_start, hole_end; /* the last one that was found in the file */
	struct rf_report *report;
};

static int fault(const struct check *check, uint64_t offset, const char *what)
{
	return rf_report(check->report, EBADMSG, "%s: offset %lu: %s", check->file->path, offset,
			 what);
}

/* Reads exactly `bytes` into the buffer. */
static int read_chunk(const struct check *check, uint64_t offset, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t got = TEMP_FAILURE_RETRY(pread(check->file->fd, check->buffer + done,
						       bytes - done, (off_t)(offset + done)));

		if (got < 0)
			return rf_report(check->report, errno, "%s: offset %lu: %m",
					 check->file->path, offset + done);
		if (got == 0)
			return fault(check, offset + done, "the file became shorter");
		done += (size_t)got;
	}
	return 0;
}

/* The first byte that is not zero; `bytes` if there is none. */
static size_t find_nonzero(const unsigned char *data, size_t bytes)
{
	size_t at = 0;

	if (bytes && data[0] == 0 && memcmp(data, data + 1, bytes - 1) == 0)
		return bytes;
	while (at < bytes && data[at] == 0)
		at++;
	return at;
}

/* Whether a range is a hole of the file, which need not be read; a hostile one may be large. */
static bool is_hole(struct check *check, uint64_t offset, uint64_t bytes)
{
	off_t data;

	if (offset < check->hole_start || offset >= check->hole_end) {
		data = lseek(check->file->fd, (off_t)offset, SEEK_DATA);
		if (data < 0)
			data = errno == ENXIO ? INT64_MAX : (off_t)offset;
		check->hole_start = offset;
		check->hole_end = (uint64_t)data;
	}
	return offset + bytes <= check->hole_end;
}

static int check_head(const struct check *check)
{
	uint64_t digest;
	int error = rf_statefile_digest_head(check->file->fd, &check->file->note,
					     check->file->note_offset, &digest);

	if (error < 0)
		return rf_report(check->report, -error, "%s: reading the head: %m",
				 check->file->path);
	return digest == check->file->note.head_digest
		       ? 0
		       : fault(check, 0, "the head differs from its digest");
}

/* What lies between page data belongs to nothing. */
static int check_gap(struct check *check, uint64_t offset, uint64_t end)
{
	while (offset < end && !is_hole(check, offset, end - offset)) {
		size_t bytes = end - offset < RF_CHUNK_BYTES ? end - offset : RF_CHUNK_BYTES;
		int error;
		size_t at;

		if (check->hole_end > offset) {
			offset = check->hole_end;
			continue;
		}
		error = read_chunk(check, offset, bytes);
		if (error < 0)
			return error;
		at = find_nonzero(check->buffer, bytes);
		if (at < bytes)
			return fault(check, offset + at,
				     "there is something that belongs to nothing");
		offset += bytes;
	}
	return 0;
}

/* A digest of 0 stands for zeros. */
static bool is_whole(const unsigned char *data, size_t bytes, uint64_t digest)
{
	return digest ? rf_digest64(data, bytes) == digest : find_nonzero(data, bytes) == bytes;
}

static int check_segment(struct check *check, const struct rf_image_segment *segment,
			 const uint64_t **digest)
{
	for (uint64_t done = 0; done < segment->bytes; done += RF_CHUNK_BYTES) {
		uint64_t left = segment->bytes - done;
		size_t bytes = left < RF_CHUNK_BYTES ? left : RF_CHUNK_BYTES;
		uint64_t expected = *(*digest)++;
		int error;

		if (expected == 0 && is_hole(check, segment->offset + done, bytes))
			continue;
		error = read_chunk(check, segment->offset + done, bytes);
		if (error < 0)
			return error;
		if (!is_whole(check->buffer, bytes, expected))
			return rf_report(
				check->report, EBADMSG,
				"%s: offset %lu: the data of %lx-%lx differ from their digest",
				check->file->path, segment->offset + done, segment->address + done,
				segment->address + done + bytes);
	}
	return 0;
}

static int check_file(struct check *check)
{
	const struct rf_source_file *file = check->file;
	const uint64_t *digest = file->index.chunks;
	uint64_t done = (uint64_t)file->note.head_pages * PAGE_BYTES;
	int error = check_head(check);

	for (size_t i = 0; i < file->index.segment_count && error == 0; i++) {
		const struct rf_image_segment *segment = &file->index.segments[i];

		if (segment->kind != RF_SEGMENT_DATA)
			continue;
		error = check_gap(check, done, segment->offset);
		if (error == 0)
			error = check_segment(check, segment, &digest);
		done = segment->offset + segment->bytes;
	}
	return error ? error : check_gap(check, done, file->note.records_offset);
}

int rf_statefile_check(const struct rf_source *source, struct rf_report *report)
{
	struct check check = { .buffer = malloc(RF_CHUNK_BYTES), .report = report };
	int error = 0;

	if (!check.buffer)
		return rf_report(report, ENOMEM, "%s: no memory to check it", source->path);
	for (size_t i = 0; i < source->chain_count && error == 0; i++) {
		check.file = &source->chain[i];
		check.hole_start = check.hole_end = 0;
		error = check_file(&check);
	}
	free(check.buffer);
	return error;
}
