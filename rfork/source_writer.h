/* SPDX-License-Identifier: MIT */
/*
 * The records of a source up to LAYOUT, as doc/image-format.txt orders them: for whoever writes it
 * to a file or to a node.  Not for frozen code.
 */
#ifndef RF_SOURCE_WRITER_H
#define RF_SOURCE_WRITER_H

#include "rfork/image_writer.h"
#include "rfork/source.h"

/* Writes IMAGE to LAYOUT, all that source->image, origin, facts, locks and lost say.  ORIGIN goes
 * with an id that is not 0, MACHINE with has_facts.  0 or a negative errno. */
int rf_source_write_layout(const struct rf_source *source, struct rf_image_writer *writer);

/* Writes the bytes of files that it holds, behind the layout; 0 or a negative errno. */
int rf_source_write_contents(const struct rf_source *source, struct rf_image_writer *writer);

#endif
