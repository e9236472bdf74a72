/* SPDX-License-Identifier: MIT */
/*
 * What the image of the calling process will probably say about its memory: told to the
 * node before the fork, so that it maps files and finds memory meanwhile.  A hint, never
 * part of the image (doc/image-format.txt, 14).
 */
#ifndef RF_FORECAST_H
#define RF_FORECAST_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/arena.h"
#include "rfork/digest_cache.h"
#include "rfork/image_format.h"
#include "rfork/image_writer.h"

struct rf_snapshot;

/* The payload of a FORECAST record; its parts lie in one piece of the arena. */
struct rf_forecast {
	struct rf_image_forecast *head; /* NULL = there is nothing to tell */
	struct rf_image_file *files;
	struct rf_image_mapping *mappings;
	size_t bytes;
};

/*
 * Makes a forecast from a survey, in the caller, while it waits for the node.  Makes nothing where the
 * process is too large for it to be of use, or where something prevents it: that is for the
 * ghost to report.  The caller holds the lock of the state, for a descriptor is opened.
 */
void rf_forecast_make(struct rf_forecast *forecast, struct rf_arena *arena,
		      const struct rf_snapshot *survey);

/*
 * Sends the forecast, if there is one.  digests: those that another boot of the node asks for, as far
 * as they are known; NULL for none.  0 or a negative errno.
 */
int rf_forecast_send(struct rf_forecast *forecast, struct rf_image_writer *writer,
		     const uint8_t boot_id[16], const struct rf_digest_cache *digests);

#endif
