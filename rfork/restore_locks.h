/* SPDX-License-Identifier: MIT */
/*
 * The locks on files that an image's process held.
 */
#ifndef RF_RESTORE_LOCKS_H
#define RF_RESTORE_LOCKS_H

#include "rfork/image_reader.h"
#include "rfork/report.h"

/* Takes them, when the calling process has the image's descriptors; it waits for nobody.  0, or
 * -ENOTSUP with a report that names the file. */
int rf_restore_locks(const struct rf_image *image, struct rf_report *report);

#endif
