/* SPDX-License-Identifier: MIT */
/*
 * Signal frames of the image, whose handlers have not returned yet.  Used by restore_region.c: no
 * errno, no malloc.
 */
#ifndef RF_RESTORE_FRAMES_H
#define RF_RESTORE_FRAMES_H

#include "rfork/arch.h"
#include "rfork/image_reader.h"
#include "rfork/plan_builder.h"
#include "rfork/protocol.h"
#include "rfork/report.h"

struct rf_frames {
	const struct rf_image *image;
	const struct rf_places *places;
	const struct rf_machine_facts *facts; /* of this machine */
	struct rf_arch_spare spare;
};

/* When all memory of the image is in its place.  0, or as rf_arch_fit_signal_frames(). */
int rf_restore_frames(struct rf_frames *frames, struct rf_report *report);

#endif
