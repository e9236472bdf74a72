/* SPDX-License-Identifier: MIT */
/*
 * Reads one statefile or executable, without its parents.  Needs no libc but malloc() and the
 * like: what restarts an executable is compiled from it.
 */
#ifndef RF_STATEFILE_IMAGE_H
#define RF_STATEFILE_IMAGE_H

#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/statefile.h"

struct rf_statefile {
	struct rf_statefile_note note;
	uint64_t note_offset;
	struct rf_image image; /* origin.id is the note's; parent_path is not followed */
	struct rf_reader_index index;
};

/*
 * Reads and validates the note and all records; fd's own offset stays as it is.  0, or a negative
 * errno with a report that begins with `path` and, of what is corrupt, the offset: as
 * rf_statefile_find_note() and rf_reader_layout(), but never -ECONNRESET.  Digests of page data
 * and of the head are not checked.  To be released if it is 0.
 */
int rf_statefile_read(struct rf_statefile *file, int fd, const char *path, uint64_t min_address,
		      uint64_t max_address, struct rf_report *report);
void rf_statefile_release(struct rf_statefile *file);

#endif
