/* SPDX-License-Identifier: MIT */
/*
 * The memory of a ghost after the hand-over: its code, its arena, and almost nothing else.
 */
#ifndef RF_GHOST_MEMORY_H
#define RF_GHOST_MEMORY_H

#include <stddef.h>

#include "rfork/snapshot.h"

/* In a process that has moved: drops the pages of files that it never wrote to, its own code's too; those
 * that are needed come back.  Comes before the following. */
void rf_ghost_drop_files(const struct rf_snapshot *snapshot);

/*
 * Gives the snapshot back, so that the caller writes to its memory without copying it, and the
 * ghost costs no more than its buffers.  Keeps the thread's control block: code compiled with a
 * stack protector reads it.  Of the arena what was taken before offset `scratch` keeps its contents.
 */
void rf_ghost_give_back(struct rf_snapshot *snapshot, size_t scratch);

#endif
