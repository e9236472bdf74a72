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

/* Take the payload of a TIMERS, PENDING or PIPE record (image_timers.c, image_pipes.c). */
int rf_record_take_timers(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_pending(struct rf_reader *reader, struct rf_image *image, size_t bytes);
int rf_record_take_pipe(struct rf_reader *reader, struct rf_image *image, size_t bytes);

/* Reads away an unknown optional record; refuses any other unknown one. */
int rf_record_skip(struct rf_reader *reader, const struct rf_record_header *header);

#endif
