/* SPDX-License-Identifier: MIT */
/*
 * Writes OBJECT records (doc/image-format.txt, 29).  No malloc, no errno.
 */
#ifndef RF_OBJECT_WRITER_H
#define RF_OBJECT_WRITER_H

#include "rfork/image_writer.h"
#include "rfork/object.h"

/* Appends an object, whose index is set; 0 or a negative errno. */
int rf_object_write(const struct rf_object_state *object, struct rf_image_writer *writer);

/* Appends what an object of kind POLL watches, behind all descriptors. */
int rf_object_write_watches(const struct rf_object_state *object, struct rf_image_writer *writer);

#endif
