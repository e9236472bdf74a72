/* SPDX-License-Identifier: MIT */
/*
 * What the clocks show that every machine counts from another moment, and to whom: a time namespace
 * (time_namespaces(7)) has offsets of its own.  Used by whoever captures a process, in the frozen
 * ghost too, and by whoever restores one: no malloc, no errno.
 */
#ifndef RF_CLOCKS_H
#define RF_CLOCKS_H

#include <stdint.h>
#include <time.h>

#include "rfork/image_format.h"

/* Nanoseconds of a clock that the kernel certainly has. */
uint64_t rf_clocks_now_ns(clockid_t clock);

/* The time namespace of a process: the number of an inode; 0 where the kernel has none, or does not
 * say.  path: RF_CLOCKS_OWN, or the same of another process. */
uint64_t rf_clocks_namespace(const char *path);

#define RF_CLOCKS_OWN "/proc/self/ns/time"

/* What the calling process sees now. */
void rf_clocks_read(struct rf_image_clocks *clocks);

#endif
