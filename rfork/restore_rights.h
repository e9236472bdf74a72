/* SPDX-License-Identifier: MIT */
/*
 * Takes from the process that becomes an image what the image's process could not do.
 */
#ifndef RF_RESTORE_RIGHTS_H
#define RF_RESTORE_RIGHTS_H

#include "rfork/image_reader.h"
#include "rfork/warnings.h"

/*
 * Behind what may need them, the attributes first, and before it is tried what threads may have.
 * warnings: where the process may not take from itself what a program that it executes could get,
 * it sets no_new_privs, and says so there; NULL: that is a failure.  0, or a negative errno with a
 * report.
 */
int rf_restore_rights(const struct rf_image *image, struct rf_warnings *warnings,
		      struct rf_report *report);

#endif
