/* SPDX-License-Identifier: MIT */
/*
 * Memory outside the image: what the ghost needs after the capture point is taken
 * from one mapping that is never captured.
 */
#ifndef RF_ARENA_H
#define RF_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Address space only: pages that nobody touches cost nothing.  What a ghost needs, with room for
 * some ten thousand descriptors; the same of a holder; and what the tables of a process of very
 * many mappings need, which the ghost maps for itself. */
#define RF_ARENA_BYTES ((size_t)8 << 20)
#define RF_HOLDER_ARENA_BYTES ((size_t)16 << 20)
#define RF_ARENA_LARGE_BYTES ((size_t)128 << 20)

struct rf_arena {
	unsigned char *base;
	size_t bytes;
	size_t used;
};

/* Maps an arena; 0, or -ENOMEM (also where the kernel says EAGAIN, for locked memory). */
int rf_arena_map(struct rf_arena *arena, size_t bytes);
void rf_arena_unmap(struct rf_arena *arena);

/* The end of the arena is the ghost's stack; memory is never taken from it. */
#define RF_ARENA_STACK_BYTES ((size_t)1 << 20)

/* Takes zeroed memory, aligned to 64 bytes; NULL when the arena is full.  Not to be freed. */
void *rf_arena_take(struct rf_arena *arena, size_t bytes);

/* What is left, and where: for what turns out to be small, and is taken then. */
void *rf_arena_rest(const struct rf_arena *arena, size_t *bytes);

#endif
