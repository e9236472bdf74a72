/* SPDX-License-Identifier: MIT */
/*
 * A small statefile in memory, made by readable code and apart from the library's writer: the
 * records of image_sample.h with an index in the place of pages, a head, and page data.
 */
#ifndef TEST_UNIT_STATEFILE_SAMPLE_H
#define TEST_UNIT_STATEFILE_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/source.h"
#include "tests/unit/image_sample.h"

/* Segments of the good statefile, by index. */
enum statefile_segment {
	STATEFILE_TEXT,	 /* ZERO, the second page of the text */
	STATEFILE_HEAP,	 /* DATA, 2 pages, the first of the file's data */
	STATEFILE_GUARD, /* GUARD, a page of the heap */
	STATEFILE_STACK, /* DATA, 3 pages, the second of them zero, behind a page that is no data */
	STATEFILE_SEGMENTS,
};

#define STATEFILE_DATA_PAGES 6u /* of the file: 2 of the heap, one between, 3 of the stack */

struct statefile_sample {
	struct sample records;
	unsigned char data[STATEFILE_DATA_PAGES * SAMPLE_PAGE]; /* what comes after the head */
	/* before the digest is made, the note is what this makes of it; NULL = as it should be */
	void (*change_note)(struct rf_statefile_note *note);
};

/* A statefile that keeps to doc/image-format.txt; its records are to be freed. */
void statefile_make(struct statefile_sample *sample);

/* Names a parent, by path; the id of either is its first byte. */
void statefile_name(struct statefile_sample *sample, char id, char parent, const char *path);

struct rf_image_segment *statefile_segment(struct statefile_sample *sample,
					   enum statefile_segment segment);
uint64_t *statefile_chunks(struct statefile_sample *sample);

/* Makes CHUNKS anew from segments and data, and END's counts. */
void statefile_digest(struct statefile_sample *sample);

/* Bytes of the file, to be freed. */
unsigned char *statefile_encode(const struct statefile_sample *sample, size_t *bytes);

/* Writes bytes to a file. */
void statefile_write(const char *path, const unsigned char *file, size_t bytes);

/* The first rule of the format that a source of one file breaks, or NULL. */
const char *statefile_judge(const struct rf_source *source, size_t file_bytes);

#endif
