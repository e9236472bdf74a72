/* SPDX-License-Identifier: MIT */
/*
 * Numbers for the memory that a process shares with its children.  The kernel keeps such memory as
 * a file: mappings of one inode are of one memory.  No malloc: memory is the caller's.
 */
#ifndef RF_SHARED_MEMORY_H
#define RF_SHARED_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct rf_shared_memory {
	uint64_t device, inode;
	uint64_t start, end; /* offsets: what the longest mapping so far has of it */
};

struct rf_shared_memories {
	struct rf_shared_memory *entries; /* by number; NULL before rf_shared_memories_init() */
	uint32_t count;
	uint32_t mask;
	uint32_t *slots; /* a hash table of numbers plus 1; 0 = free */
};

/* Bytes for the memories of at most so many mappings. */
size_t rf_shared_memories_bytes(size_t mappings);

/* Begins in zeroed memory of so many bytes, aligned to 8. */
void rf_shared_memories_init(struct rf_shared_memories *table, void *memory, size_t mappings);

/* The number of a memory, the next one if it is new. */
uint32_t rf_shared_memories_number(struct rf_shared_memories *table, uint64_t device,
				   uint64_t inode);

#endif
