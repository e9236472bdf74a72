/* SPDX-License-Identifier: MIT */
/*
 * A hash table of files.  Called in the frozen ghost, and by undump.
 */
#include "rfork/file_index.h"

/* A power of two that leaves half of the table free. */
static uint32_t slot_count(size_t files)
{
	uint32_t count = 2;

	while (count < 2 * files)
		count *= 2;
	return count;
}

size_t rf_file_index_bytes(size_t files)
{
	return slot_count(files) * sizeof(uint32_t);
}

void rf_file_index_init(struct rf_file_index *index, void *memory, size_t files)
{
	*index = (struct rf_file_index){ .mask = slot_count(files) - 1, .slots = memory };
}

/* Of the path too: one file may have many. */
static uint32_t hash(const struct rf_image_file *file, const char *path)
{
	uint64_t value = file->inode ^ file->device << 32;

	for (; *path; path++)
		value = (value ^ (unsigned char)*path) * UINT64_C(0x100000001b3);
	return (uint32_t)((value * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

uint32_t *rf_file_index_find(const struct rf_file_index *index, const struct rf_image_file *file,
			     const char *path, rf_file_index_is is, const void *context)
{
	uint32_t slot = hash(file, path) & index->mask;

	while (index->slots[slot] && !is(context, index->slots[slot] - 1, file, path))
		slot = (slot + 1) & index->mask;
	return &index->slots[slot];
}
