/* SPDX-License-Identifier: MIT */
/*
 * Lays the segments of incremental images one over the other (doc/image-format.txt, 21).
 */
#ifndef RF_STATEFILE_LAYERS_H
#define RF_STATEFILE_LAYERS_H

#include <stddef.h>

#include "rfork/image_reader.h"
#include "rfork/source.h"

/* What is in effect so far; begins as zero, the caller frees the segments. */
struct rf_layers {
	struct rf_segment *segments; /* ascending, not overlapping */
	size_t count;
};

/*
 * Lays an image and its segments, whose data are in fd, over what there is; then drops what lies
 * in no private mapping of the image, and splits what lies in several.  0, -ENOMEM, or -E2BIG for
 * more segments than anybody should have.
 */
int rf_layers_add(struct rf_layers *layers, const struct rf_image *image,
		  const struct rf_reader_index *index, int fd);

#endif
