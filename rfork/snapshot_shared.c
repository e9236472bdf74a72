/* SPDX-License-Identifier: MIT */
/*
 * Mappings of memory that the process shares with its children.  Called by snapshot.c, under its
 * rules.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "rfork/snapshot.h"

static bool make_table(struct rf_snapshot *snapshot)
{
	size_t mappings = snapshot->maps.count;
	void *memory;

	if (snapshot->shared.entries)
		return true;
	memory = rf_snapshot_take(snapshot, rf_shared_memories_bytes(mappings));
	if (memory)
		rf_shared_memories_init(&snapshot->shared, memory, mappings);
	return memory;
}

/* Whether an earlier mapping has all of it; notes the mapping. */
static bool is_seen(struct rf_shared_memory *memory, uint64_t start, uint64_t end)
{
	if (memory->start <= start && end <= memory->end)
		return true;
	if (end - start > memory->end - memory->start) {
		memory->start = start;
		memory->end = end;
	}
	return false;
}

int rf_snapshot_share(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
		      const struct rf_map *map, bool is_at_rest)
{
	struct rf_image_mapping *image = &mapping->image;

	if (!make_table(snapshot))
		return -ENOMEM;
	image->flags |= RF_MAPPING_SHARED;
	image->file = rf_shared_memories_number(&snapshot->shared, map->device, map->inode);
	image->file_offset = map->file_offset + (image->start - map->start);
	mapping->source = rf_map_shared_source(map);
	/* who reads an image at rest reads each mapping by itself */
	if (is_seen(&snapshot->shared.entries[image->file], image->file_offset,
		    image->file_offset + (image->end - image->start)) &&
	    !is_at_rest)
		mapping->source = RF_SOURCE_NONE;
	return 0;
}
