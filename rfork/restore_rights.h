/* SPDX-License-Identifier: MIT */
/*
 * Takes from the process that becomes an image the capabilities that the image is not to have.
 */
#ifndef RF_RESTORE_RIGHTS_H
#define RF_RESTORE_RIGHTS_H

#include "rfork/image_reader.h"

/* Last of what may need them.  0, or a negative errno with a report. */
int rf_restore_rights(const struct rf_image *image, struct rf_report *report);

#endif
