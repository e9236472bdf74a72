/* SPDX-License-Identifier: MIT */
/*
 * A small image in memory, made by readable code and apart from the library's writer, for the
 * tests of the reader: records can be changed, and every digest is made anew.
 */
#ifndef TEST_UNIT_IMAGE_SAMPLE_H
#define TEST_UNIT_IMAGE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_reader.h"

#define SAMPLE_RECORDS 1100
#define SAMPLE_PAGE 4096u
#define SAMPLE_MIN_ADDRESS UINT64_C(0x10000)
#define SAMPLE_MAX_ADDRESS UINT64_C(0x7ffffffff000)

/* Mappings of the good sample, by index. */
enum sample_mapping {
	SAMPLE_TEXT,   /* of file 0, 4 pages, by digest */
	SAMPLE_HEAP,   /* 8 pages, just behind the text */
	SAMPLE_SHARED, /* 2 pages of file 1 */
	SAMPLE_STACK,  /* 16 pages, grows down */
	SAMPLE_MAPPINGS,
};

/* Every digest is made from the fields; so is every header's length and sequence. */
struct sample_record {
	uint16_t type, flags;
	uint32_t bytes;
	unsigned char *payload;
	int64_t sequence_error; /* added to the sequence number */
	uint32_t remote_bytes;	/* of sample_remote, which the digest covers, too */
};

/* What REMOTE_PAGES name, from SAMPLE_REMOTE on. */
#define SAMPLE_REMOTE UINT64_C(0x7f0000000000)
#define SAMPLE_REMOTE_KEY 0x4711u
#define SAMPLE_REMOTE_PAGES 2u
extern unsigned char sample_remote[SAMPLE_REMOTE_PAGES * SAMPLE_PAGE];

struct sample {
	struct sample_record records[SAMPLE_RECORDS];
	unsigned count;
};

/* An image that keeps to doc/image-format.txt; to be freed. */
void sample_make(struct sample *sample);
void sample_copy(struct sample *copy, const struct sample *sample);
void sample_free(struct sample *sample);

/* Adds a ROAD, and REMOTE_PAGES with two runs of a page each: of the heap and of the stack. */
void sample_add_road(struct sample *sample);

/* Adds contents of files: of memory, with a name, two descriptors and the shared mapping, and of
 * file 0, with one descriptor; and the last six bytes of the memory. */
#define SAMPLE_OBJECTS 6u
#define SAMPLE_FIRST_CONTENT SAMPLE_OBJECTS /* among objects */
#define SAMPLE_FIRST_OF_CONTENT 9u	    /* among descriptors */
#define SAMPLE_CONTENT_BYTES 0x5064u
void sample_add_contents(struct sample *sample);

/* The n-th record of a type, and its payload; there must be one. */
struct sample_record *sample_find(struct sample *sample, uint16_t type, unsigned nth);
void *sample_payload(struct sample *sample, uint16_t type, unsigned nth);
struct rf_image_head *sample_head(struct sample *sample);
struct rf_image_mapping *sample_mapping(struct sample *sample, enum sample_mapping mapping);
struct rf_image_run *sample_run(struct sample *sample, unsigned nth);

/* The parts of the sample's forecast: of one file, three mappings and two runs. */
struct sample_forecast {
	struct rf_image_forecast head;
	struct rf_image_file files[1];
	struct rf_image_mapping mappings[3];
	struct rf_image_run runs[2];
	char path[16];
};
struct sample_forecast *sample_forecast(struct sample *sample);

/* New bytes are zero. */
void sample_resize(struct sample_record *record, uint32_t bytes);
void sample_insert(struct sample *sample, unsigned index, uint16_t type, uint16_t flags,
		   const void *payload, uint32_t bytes);
void sample_remove(struct sample *sample, unsigned index);
/* The first record of a type to another place, counted before. */
void sample_move(struct sample *sample, uint16_t type, unsigned index);
unsigned sample_index(struct sample *sample, uint16_t type, unsigned nth);

/* Lets END count the records that there are now. */
void sample_recount(struct sample *sample);

struct rf_image_road *sample_road(struct sample *sample);
struct rf_image_remote_pages *sample_remote_pages(struct sample *sample);

/* Bytes of the stream, to be freed. */
unsigned char *sample_encode(const struct sample *sample, size_t *bytes);

#endif
