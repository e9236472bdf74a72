/* SPDX-License-Identifier: MIT */
/*
 * A folder in memory, for the files that are measured.
 */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#define SCRATCH_PATH_BYTES 64

/*
 * Makes a folder on a tmpfs that has room for `bytes` bytes and lets programs be executed.  path:
 * SCRATCH_PATH_BYTES bytes.  0, or -1 after a message.
 */
int scratch_make(char *path, uint64_t bytes);

/* Removes it with all that is in it. */
void scratch_remove(const char *path);

#endif
