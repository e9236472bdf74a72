/* SPDX-License-Identifier: MIT */
/*
 * Gives the process that becomes an image what the image says that it has chosen or inherited.
 * Called by rfork-shell and by executables that restart themselves; no malloc, no errno.  What
 * cannot be given is no failure but a warning.
 */
#ifndef RF_RESTORE_ATTRIBUTES_H
#define RF_RESTORE_ATTRIBUTES_H

#include <stdbool.h>

#include "rfork/attributes.h"
#include "rfork/image_reader.h"
#include "rfork/restore_plan.h"
#include "rfork/warnings.h"

/*
 * Raises limits to those of the image, before anything is made that they could be too low for:
 * none is lowered.  own: what the calling process has; its limits are updated.
 */
void rf_restore_raise_limits(const struct rf_image *image, struct rf_attributes *own,
			     struct rf_warnings *warnings);

/*
 * Gives the calling process, and its thread, if the image has one only, all that does not hinder it
 * on its way to the image; last, before the plan is made.  is_alone: nobody looks after the
 * process, so that even the signal of its parent's death is its own.
 */
void rf_restore_attributes(const struct rf_image *image, const struct rf_attributes *own,
			   bool is_alone, struct rf_warnings *warnings);

#define RF_RESTORE_ATTRIBUTE_STEPS (RF_IMAGE_LIMITS + 3u)

/*
 * Writes the steps for the rest, to be executed when the image is in its place; at most
 * RF_RESTORE_ATTRIBUTE_STEPS.  limits: memory that is there then, which is filled.  None of the
 * steps can be forbidden.
 */
size_t rf_restore_attribute_steps(struct rf_step *steps, const struct rf_image *image,
				  const struct rf_attributes *own, struct rf_image_limit *limits);

#endif
