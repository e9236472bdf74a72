/* SPDX-License-Identifier: MIT */
/*
 * Files whose bytes travel (doc/image-format.txt, OBJECT of kind CONTENT), made again: memfds, and
 * files without a name.  Called by whoever becomes an image; no malloc, no errno.
 */
#ifndef RF_RESTORE_CONTENTS_H
#define RF_RESTORE_CONTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/object.h"

/* Makes the file, of its size and all holes, open for reading and writing under any number and
 * close-on-exec.  path: of the file where it was, or ""; where that folder is here, and has room,
 * the new file is on its file system.  The descriptor; -ENOSPC if there is room nowhere, or another
 * negative errno. */
int rf_restore_content_make(const struct rf_object_state *object, const char *path);

/* Writes bytes of it; 0 or a negative errno. */
int rf_restore_content_put(int fd, uint64_t offset, const void *data, size_t bytes);

/* Opens it once more, as a descriptor had it; the new one or a negative errno. */
int rf_restore_content_open(int fd, uint32_t status_flags, uint64_t offset);

/* Opens it to be mapped; the descriptor or a negative errno. */
int rf_restore_content_map(int fd, const struct rf_object_state *object, bool is_shared);

/* Gives it its mode and its seals: when it holds all its bytes, and all is open and mapped. */
int rf_restore_content_finish(int fd, const struct rf_object_state *object);

#endif
