/* SPDX-License-Identifier: MIT */
/*
 * What an image's descriptors lead to that has no name outside the process, made again.
 */
#ifndef RF_RESTORE_OBJECTS_H
#define RF_RESTORE_OBJECTS_H

#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/warnings.h"

/* Makes the object of a descriptor, with what it held and the descriptor's flags, under any number,
 * which is returned; or a negative errno.  since_ns: when, on CLOCK_MONOTONIC, what the image says
 * of timers was true. */
int rf_restore_object(const struct rf_image *image, const struct rf_image_descriptor *descriptor,
		      int64_t since_ns);

/* Says of which objects it is not known what they were. */
void rf_restore_warn_of_objects(const struct rf_image *image, struct rf_warnings *warnings);

/* What it is, for sentences: "eventfd". */
const char *rf_restore_name_object(const struct rf_image *image,
				   const struct rf_image_descriptor *descriptor);

#endif
