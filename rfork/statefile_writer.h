/* SPDX-License-Identifier: MIT */
/*
 * Writes the page data and the index of a statefile or an executable (doc/image-format.txt, 18 to
 * 20).  No malloc, no errno: runs in the frozen process that holds a checkpoint, and in undump.
 *
 * Order: begin; plan the pages of all mappings in ascending order; write them, with as many
 * threads as there are; rf_statefile_records(), and through it the records up to LAYOUT; finish.
 */
#ifndef RF_STATEFILE_WRITER_H
#define RF_STATEFILE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_writer.h"
#include "rfork/statefile.h"

/* A segment as it is planned. */
struct rf_statefile_segment {
	struct rf_image_segment image;
	uint32_t how; /* the planner's word to whoever looks; different ones never join */
	uint32_t reserved;
	uint64_t first_chunk; /* of DATA */
};

/* Memory of the caller's, which bounds what can be written. */
struct rf_statefile_tables {
	struct rf_statefile_segment *segments;
	size_t segment_capacity;
	uint64_t *chunks;
	size_t chunk_capacity;
};

struct rf_statefile_writer {
	int fd;
	uint64_t offset; /* where the next page of data goes */
	struct rf_statefile_tables tables;
	size_t segment_count, chunk_count;
	bool may_join; /* the next pages may belong to the last segment */
	bool may_skip; /* and what is between is zero */
	/* while pages are written */
	uint64_t next_chunk; /* atomic, as is: */
	int error;
	uint64_t failed_at; /* the address */
};

/*
 * Gives the `bytes` bytes of memory at address, at most RF_CHUNK_BYTES, all of one segment: a
 * pointer to them where they lie, aligned to 8 bytes, or `bounce` after they have been read into
 * it.  0, RF_STATEFILE_LATER or a negative errno.  Called by several threads at once.
 */
#define RF_STATEFILE_LATER 1 /* not now, but after rf_statefile_again() */
typedef int (*rf_statefile_look)(void *context, const struct rf_statefile_segment *segment,
				 uint64_t address, size_t bytes, void *bounce, const void **data);

/* data_offset: where page data may begin, page aligned. */
void rf_statefile_begin(struct rf_statefile_writer *writer, int fd, uint64_t data_offset,
			const struct rf_statefile_tables *tables);

/* Begins the pages of another mapping.  may_skip: what is planned nowhere in it is zero, and can
 * be read, so that runs that are near to each other can share a segment. */
void rf_statefile_mapping(struct rf_statefile_writer *writer, bool may_skip);

/* Plans pages at address, above all before.  0, or -ENOBUFS when the tables are full. */
int rf_statefile_plan(struct rf_statefile_writer *writer, uint64_t address, uint64_t pages,
		      enum rf_segment_kind kind, uint32_t how);

/*
 * Writes the pages that are planned, but for those of zeros, and digests them.  Several threads
 * may call it at once: it returns when there is nothing left to begin.  bounce: RF_CHUNK_BYTES,
 * of the calling thread.  0, or the first negative errno of any of them, of look() with failed_at
 * set.
 */
int rf_statefile_write_pages(struct rf_statefile_writer *writer, rf_statefile_look look,
			     void *context, void *bounce);

/* Begins anew with the pages: look() now gives those that it has left for later, and of the
 * others says LATER.  After all threads have returned. */
void rf_statefile_again(struct rf_statefile_writer *writer);

/* Begins the records, behind the pages: fills the note's offset, and prepares `records` to write
 * there. */
void rf_statefile_records(const struct rf_statefile_writer *writer, struct rf_image_writer *records,
			  struct rf_statefile_note *note);

/*
 * After LAYOUT: writes SEGMENTS, CHUNKS and END, fsyncs, writes the note at note_offset, and
 * fsyncs again; what the file had behind is cut off.  The note has id and head_pages already;
 * where head_digest is 0, the head is read from fd.  0 or a negative errno.
 */
int rf_statefile_finish(struct rf_statefile_writer *writer, struct rf_image_writer *records,
			struct rf_statefile_note *note, uint64_t note_offset);

#endif
