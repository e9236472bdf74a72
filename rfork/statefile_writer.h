/* SPDX-License-Identifier: MIT */
/*
 * Writes the page data and the index of a statefile or an executable.  No malloc, no errno: runs in the
 * frozen process that holds a checkpoint, and in undump.
 *
 * Order: begin, pages of all mappings in ascending order, the records up to LAYOUT by
 * rf_statefile_records(), finish.
 */
#ifndef RF_STATEFILE_WRITER_H
#define RF_STATEFILE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_writer.h"
#include "rfork/statefile.h"

struct rf_statefile_writer {
	int fd;
	uint64_t offset; /* where the next page of data goes */
	struct rf_image_segment *segments;
	size_t segment_count, segment_capacity;
	uint64_t *chunks; /* digests of those that are complete */
	size_t chunk_count, chunk_capacity;
	uint64_t data_pages;
	bool may_join; /* the next pages may belong to the last segment */
	bool may_skip; /* and what is between is zero */
};

/* data_offset: where page data may begin, page aligned.  segments, chunks: memory of the caller, which bounds
 * what can be written (-ENOBUFS). */
void rf_statefile_begin(struct rf_statefile_writer *writer, int fd, uint64_t data_offset,
			struct rf_image_segment *segments, size_t segment_capacity,
			uint64_t *chunks, size_t chunk_capacity);

/* Begins the pages of another mapping.  may_skip: what no call names there is zero, so that neighbouring runs
 * can share a segment. */
void rf_statefile_mapping(struct rf_statefile_writer *writer, bool may_skip);

/* Writes pages that belong at address; those that are zero become holes of the file, or, with
 * zero_matters (of FILE mappings and incremental images), ZERO segments.  0 or a negative errno. */
int rf_statefile_pages(struct rf_statefile_writer *writer, uint64_t address, const void *data,
		       uint64_t pages, bool zero_matters);

int rf_statefile_guard(struct rf_statefile_writer *writer, uint64_t address, uint64_t pages);

/* Ends the page data, and prepares `records` to write the image's records behind them. */
int rf_statefile_records(struct rf_statefile_writer *writer, struct rf_image_writer *records,
			 struct rf_statefile_note *note);

/* After LAYOUT: writes SEGMENTS, CHUNKS, END, fsyncs, writes the note at note_offset, fsyncs again. */
int rf_statefile_finish(struct rf_statefile_writer *writer, struct rf_image_writer *records,
			struct rf_statefile_note *note, uint64_t note_offset);

#endif
