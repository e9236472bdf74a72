/* SPDX-License-Identifier: MIT */
/*
 * Reads the records of an image one by one: header digest, length and sequence, then the
 * payload and its digest.  Called by the reader of the layout and by that of the pages; knows no
 * record's meaning.
 */
#define _GNU_SOURCE
#include "rfork/image_record.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/io.h"
#include "rfork/sys.h"

int rf_record_corrupt(struct rf_reader *reader, const char *what)
{
	return rf_report(reader->report, EBADMSG, "the image is corrupt: record %lu, %s",
			 reader->sequence, what);
}

int rf_record_read_failed(struct rf_reader *reader, int error)
{
	if (error == -ECONNRESET)
		return rf_report(reader->report, ECONNRESET, "the image ended early, in record %lu",
				 reader->sequence);
	if (error == -EFAULT)
		return rf_report(reader->report, ENOMEM, "no memory for pages of record %lu",
				 reader->sequence);
	return rf_report(reader->report, -error, "reading the image: %m");
}

static ssize_t read_some(struct rf_reader *reader, void *buffer, size_t bytes)
{
	ssize_t got;

	if (!reader->is_at_rest)
		return rf_sys_read(reader->fd, buffer, bytes);
	got = rf_sys_pread(reader->fd, buffer, bytes, reader->file_offset);
	if (got > 0)
		reader->file_offset += (size_t)got;
	return got;
}

/* Reads exactly `bytes`, and nothing ahead. */
static int read_full(struct rf_reader *reader, void *buffer, size_t bytes)
{
	if (!reader->is_at_rest)
		return rf_io_read_full(reader->fd, buffer, bytes, RF_NO_DEADLINE);
	for (size_t done = 0; done < bytes;) {
		ssize_t got = read_some(reader, (char *)buffer + done, bytes - done);

		if (got <= 0 && got != -EINTR)
			return got ? (int)got : -ECONNRESET;
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

/* Reads until the buffer holds `bytes`, and as many of the `ahead` bytes after them as are
 * there. */
static int fill(struct rf_reader *reader, size_t bytes, size_t ahead)
{
	size_t room = sizeof(reader->buffer) - bytes;
	size_t want = bytes + (ahead < room ? ahead : room);

	reader->filled -= reader->next;
	memmove(reader->buffer, reader->buffer + reader->next, reader->filled);
	reader->next = 0;
	while (reader->filled < bytes) {
		ssize_t got =
			read_some(reader, reader->buffer + reader->filled, want - reader->filled);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return rf_record_read_failed(reader, got ? (int)got : -ECONNRESET);
		reader->filled += (size_t)got;
	}
	return 0;
}

size_t rf_record_take_buffered(struct rf_reader *reader, void *buffer, size_t bytes)
{
	size_t there = reader->filled - reader->next;

	if (bytes > there)
		bytes = there;
	memcpy(buffer, reader->buffer + reader->next, bytes);
	reader->next += bytes;
	return bytes;
}

/* Reads `bytes`; the stream is certain to hold another `ahead` bytes after them. */
int rf_record_read_bytes(struct rf_reader *reader, void *buffer, size_t bytes, size_t ahead)
{
	size_t done = rf_record_take_buffered(reader, buffer, bytes);
	int error;

	if (done == bytes)
		return 0;
	if (bytes - done > sizeof(reader->buffer)) {
		error = read_full(reader, (char *)buffer + done, bytes - done);
		return error < 0 ? rf_record_read_failed(reader, error) : 0;
	}
	error = fill(reader, bytes - done, ahead);
	if (error == 0)
		rf_record_take_buffered(reader, (char *)buffer + done, bytes - done);
	return error;
}

/* `left`: bytes that the stream is certain to hold from this header on. */
int rf_record_read_header(struct rf_reader *reader, struct rf_record_header *header, size_t left)
{
	int error;

	reader->record_offset = reader->file_offset - (reader->filled - reader->next);
	error = rf_record_read_bytes(reader, header, sizeof(*header), left - sizeof(*header));
	if (error < 0)
		return error;
	if (header->header_digest !=
	    rf_digest64(header, offsetof(struct rf_record_header, header_digest)))
		return rf_record_corrupt(reader, reader->sequence ? "the header's digest is wrong"
								  : "not an rfork image");
	if (header->length_bytes > RF_RECORD_MAX_BYTES)
		return rf_record_corrupt(reader, "it is too long");
	if (header->sequence != reader->sequence)
		return rf_record_corrupt(reader, "its sequence number is wrong");
	if (header->flags & ~RF_RECORD_OPTIONAL)
		return rf_record_corrupt(reader, "it has unknown flags");
	return 0;
}

int rf_record_read_payload(struct rf_reader *reader, const struct rf_record_header *header,
			   size_t ahead)
{
	int error = rf_record_read_bytes(reader, reader->payload, header->length_bytes, ahead);

	if (error < 0)
		return error;
	if (header->payload_digest != rf_digest64(reader->payload, header->length_bytes))
		return rf_record_corrupt(reader, "the payload's digest is wrong");
	return 0;
}

/* Reads away an unknown optional record; refuses any other unknown one. */
int rf_record_skip(struct rf_reader *reader, const struct rf_record_header *header)
{
	if (!(header->flags & RF_RECORD_OPTIONAL))
		return rf_report(reader->report, ENOTSUP, "record type %u is not supported",
				 header->type);
	return rf_record_read_payload(reader, header, RF_RECORD_END_BYTES);
}
