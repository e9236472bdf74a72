/* SPDX-License-Identifier: MIT */
/*
 * Inside the image reader: one record after the other, whatever it says.  All functions
 * return 0 or a negative errno with a report, unless they say otherwise.
 */
#ifndef RF_IMAGE_RECORD_H
#define RF_IMAGE_RECORD_H

#include <stddef.h>

#include "rfork/image_format.h"
#include "rfork/image_reader.h"
#include "rfork/page_road.h"

/* The shortest records: what is certain to follow may be read ahead. */
#define RF_RECORD_HEADER_BYTES sizeof(struct rf_record_header)
#define RF_RECORD_END_BYTES (RF_RECORD_HEADER_BYTES + sizeof(struct rf_image_end))

/* Reports that the current record is corrupt; -EBADMSG. */
int rf_record_corrupt(struct rf_reader *reader, const char *what);

/* Reports that reading failed with a negative errno, which is returned as the public one. */
int rf_record_read_failed(struct rf_reader *reader, int error);

/* Takes at most `bytes` of what was read ahead; how many. */
size_t rf_record_take_buffered(struct rf_reader *reader, void *buffer, size_t bytes);

/* Reads `bytes`; the stream is certain to hold another `ahead` bytes after them. */
int rf_record_read_bytes(struct rf_reader *reader, void *buffer, size_t bytes, size_t ahead);

/* Reads and checks a header; `left`: bytes that the stream is certain to hold from it on. */
int rf_record_read_header(struct rf_reader *reader, struct rf_record_header *header, size_t left);

/* Reads a payload into reader->payload and checks its digest. */
int rf_record_read_payload(struct rf_reader *reader, const struct rf_record_header *header,
			   size_t ahead);

/* Take the payload of one type of record: image_*.c by their nouns. */
int rf_record_take_origin(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_machine(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_identity(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_rights(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_clocks(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_state(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_thread_state(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_timers(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_pending(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_file(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_pipe(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_object(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_descriptor(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_locks(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_lost(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_mappings(struct rf_reader *reader, struct rf_image *image, size_t bytes);

int rf_record_take_watches(struct rf_reader *reader, struct rf_image *image, size_t bytes);
void rf_record_release_objects(struct rf_image *image);

/* Takes what follows the head of an object of kind CONTENT; what is wrong with it, or NULL. */
const char *rf_record_take_content_object(const struct rf_image *image,
					  struct rf_object_state *object,
					  const unsigned char *payload, size_t bytes);

/* Reads bytes of such an object to where reader->contents puts them. */
int rf_record_take_content(struct rf_reader *reader, const struct rf_image *image,
			   const struct rf_record_header *header);

/* Whether data may be packed so: as they are, or by a codec that the peers have agreed on. */
bool rf_record_is_agreed(const struct rf_reader *reader, uint32_t codec);

/* The descriptor of a number, among those that have been read; NULL if there is none. */
const struct rf_image_descriptor *rf_record_find_descriptor(const struct rf_image *image,
							    uint32_t number);

/* Appends a file whose fields and path stand in the payload. */
int rf_record_add_file(struct rf_reader *reader, struct rf_image *image,
		       const struct rf_image_file *fields, const void *path, size_t length);

/* Appends mappings that stand in the payload. */
int rf_record_add_mappings(struct rf_reader *reader, struct rf_image *image,
			   const unsigned char *source, size_t count);

/* The least that a whole image holds from the next record on, in bytes. */
size_t rf_record_least_left(const struct rf_reader *reader, const struct rf_image *image);

/* Reads the head, of head_bytes, and the run table of a record of pages; what follows them stays in
 * the stream. */
int rf_record_read_runs(struct rf_reader *reader, const struct rf_record_header *header,
			struct rf_page_record *record, size_t head_bytes);

/* Checks the runs, and asks where the data of each go. */
int rf_record_locate_runs(struct rf_reader *reader, const struct rf_image *image,
			  struct rf_page_record *record, rf_reader_locate locate, void *context);

/* Appends marks that stand in the payload (image_marks.c). */
int rf_record_take_marks(struct rf_reader *reader, struct rf_image *image, size_t bytes);

/* image_road.c: records of pages that take another road. */
int rf_record_take_road(struct rf_reader *reader, const struct rf_record_header *header);
int rf_record_take_remote_pages(struct rf_reader *reader, const struct rf_image *image,
				const struct rf_record_header *header,
				struct rf_page_record *record, rf_reader_locate locate,
				void *context);

/* Waits until a record's header can be read, while such pages arrive. */
int rf_record_await(struct rf_reader *reader);

/* Waits for all of them, and counts them. */
int rf_record_finish_road(struct rf_reader *reader);

/* Reads away an unknown optional record; refuses any other unknown one. */
int rf_record_skip(struct rf_reader *reader, const struct rf_record_header *header);

#endif
