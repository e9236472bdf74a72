/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that are opened again by a path: whether the path still leads to what they have
 * open, and which path another machine is to be given.  Called by fdtable.c.
 */
#ifndef RF_FDPATH_H
#define RF_FDPATH_H

#include <sys/stat.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"

/*
 * Makes the entry, whose path, number and status flags are known, a descriptor of kind FILE.  A
 * file of the process's own in /proc becomes the child's: /proc/self/..., by path.  What the
 * kernel shows to everybody in /proc and /sys, and is only read, goes by path too.  Memory comes
 * from the arena.  0, -ENOTSUP if no path leads there, or -ENOMEM.
 */
int rf_fdpath_classify(const struct rf_fdtable *table, struct rf_fd *entry,
		       const struct stat *status, struct rf_arena *arena);

#endif
