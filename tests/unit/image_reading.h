/* SPDX-License-Identifier: MIT */
/*
 * Readings of samples, which look at all that the reader lets through.
 */
#ifndef TEST_UNIT_IMAGE_READING_H
#define TEST_UNIT_IMAGE_READING_H

#include "tests/unit/image_sample.h"

/* A reader and what it has found. */
struct sample_reading {
	struct rf_report report;
	struct rf_reader_forecast forecast;
	struct rf_image image;
	bool is_layout_read; /* then the image keeps to the rules, or the reader is wrong */
	uint64_t located;    /* runs for which memory was asked */
	size_t consumed;     /* bytes taken from the stream */
	char content[64];    /* the last bytes of a file, where they belong, and how many */
	uint64_t content_offset;
	size_t content_bytes;
	bool is_road_lost;		       /* pages were not there; then they do not count */
	unsigned char *pages[SAMPLE_MAPPINGS]; /* data pages of the good sample, where asked for */
};

/* Gives back what the last reading holds. */
void sample_forget(struct sample_reading *reading);

/* Whether readings refuse the bytes of files, for want of room. */
extern bool sample_refuses_contents;

/* Whether readings have a road; one that reads sample_remote. */
extern bool sample_has_road;

/* What unpacks pages for readings; NULL: nothing does. */
extern const struct rf_page_unpacker *sample_unpacker;

/*
 * Reads a stream; 0 or the reader's answer.  What is accepted is held against the format's rules
 * of image_rules.h; `fault` takes the first rule that is broken, or NULL.
 */
int sample_read(struct sample_reading *reading, const unsigned char *stream, size_t bytes,
		const char **fault);

/* Whether the reader may give this answer to bytes that are not an image for it. */
bool sample_is_refusal(int answer);

#endif
