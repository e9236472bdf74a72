/* SPDX-License-Identifier: MIT */
/*
 * Finds shared memory by its inode, in a table that does not become slow with tens of thousands
 * of them.  Called in the frozen ghost, and by undump.
 */
#define _GNU_SOURCE
#include "rfork/shared_memory.h"

/* A power of two that leaves half of the table free. */
static uint32_t slot_count(size_t mappings)
{
	uint32_t count = 2;

	while (count < 2 * mappings)
		count *= 2;
	return count;
}

size_t rf_shared_memories_bytes(size_t mappings)
{
	return mappings * sizeof(struct rf_shared_memory) + slot_count(mappings) * sizeof(uint32_t);
}

void rf_shared_memories_init(struct rf_shared_memories *table, void *memory, size_t mappings)
{
	*table = (struct rf_shared_memories){ .entries = memory, .mask = slot_count(mappings) - 1 };
	table->slots = (uint32_t *)(table->entries + mappings);
}

static uint32_t hash(uint64_t device, uint64_t inode)
{
	return (uint32_t)(((inode ^ device << 32) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

uint32_t rf_shared_memories_number(struct rf_shared_memories *table, uint64_t device,
				   uint64_t inode)
{
	uint32_t slot = hash(device, inode) & table->mask;

	for (; table->slots[slot]; slot = (slot + 1) & table->mask) {
		const struct rf_shared_memory *memory = &table->entries[table->slots[slot] - 1];

		if (memory->inode == inode && memory->device == device)
			return table->slots[slot] - 1;
	}
	table->entries[table->count] =
		(struct rf_shared_memory){ .device = device, .inode = inode };
	table->slots[slot] = ++table->count;
	return table->count - 1;
}
