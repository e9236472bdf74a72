/* SPDX-License-Identifier: MIT */
/*
 * The beginning of an executable: the program that restarts the image behind it.  No malloc, no
 * errno: used in the frozen process that holds a checkpoint, and by undump.
 */
#ifndef RF_EXECUTABLE_H
#define RF_EXECUTABLE_H

#include <stdint.h>

#include "rfork/start/options.h"

/* Pages of the file that the program takes. */
uint32_t rf_executable_head_pages(void);

/* Writes them, with a note that is zero.  flags: RF_START_*.  note_offset: where the note's
 * description begins.  0 or a negative errno. */
int rf_executable_write_head(int fd, uint32_t flags, uint64_t *note_offset);

#endif
