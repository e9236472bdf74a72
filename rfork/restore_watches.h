/* SPDX-License-Identifier: MIT */
/*
 * What an image's epolls watch, when all descriptors are in their places.
 */
#ifndef RF_RESTORE_WATCHES_H
#define RF_RESTORE_WATCHES_H

#include "rfork/image_reader.h"
#include "rfork/report.h"

/* The lowest number above all that the image's descriptors have, or had when they were added to
 * what watches them. */
unsigned rf_restore_first_spare(const struct rf_image *image);

/* Adds all that is watched; one number from `spare` on is used meanwhile.  0 or a negative errno
 * with a report that names the descriptors. */
int rf_restore_watches(const struct rf_image *image, unsigned spare, struct rf_report *report);

#endif
