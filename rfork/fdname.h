/* SPDX-License-Identifier: MIT */
/*
 * What a descriptor is that cannot travel, in words: for refusals, and for what an image at rest
 * has lost.
 */
#ifndef RF_FDNAME_H
#define RF_FDNAME_H

#include <sys/stat.h>

/* path: what /proc says of the descriptor.  Returns a constant string. */
const char *rf_fdname_type(int fd, const struct stat *status, const char *path);

#endif
