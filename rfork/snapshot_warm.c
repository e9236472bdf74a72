/* SPDX-License-Identifier: MIT */
/*
 * Digests of mapped files that will be asked for, computed in the caller.  Called by settle.c; what
 * fails is left to the ghost.
 */
#define _GNU_SOURCE
#include "rfork/aside.h"
#include "rfork/digest_cache.h"
#include "rfork/file_identity.h"
#include "rfork/snapshot.h"
#include "rfork/sys.h"

/* The list of mappings of any process. */
#define MAPS_BYTES ((size_t)48 << 20)

struct warming {
	struct rf_digest_cache *cache;
	struct rf_maps maps;
};

/* Whether there is a digest of what is mapped, and it is not known. */
static bool lacks_digest(const struct rf_digest_cache *cache, const struct rf_map *map,
			 struct rf_image_mapping *mapping, struct rf_image_file *file)
{
	struct stat status;

	if (map->kind != RF_MAP_FILE || map->deleted || rf_sys_stat(map->path, &status) < 0 ||
	    !S_ISREG(status.st_mode))
		return false;
	*mapping = (struct rf_image_mapping){ .start = map->start,
					      .end = map->end,
					      .file_offset = map->file_offset };
	*file = rf_file_identity(&status);
	return !rf_digest_cache_find(cache, file, map->file_offset,
				     rf_file_visible_bytes(file, map->file_offset,
							   map->end - map->start),
				     mapping->digest);
}

static void warm_digests(void *argument)
{
	struct warming *warming = argument;
	struct rf_image_mapping mapping;
	struct rf_image_file file;

	for (size_t i = 0; i < warming->maps.count; i++) {
		const struct rf_map *map = &warming->maps.entries[i];

		if (lacks_digest(warming->cache, map, &mapping, &file) &&
		    rf_snapshot_digest_mapping(&mapping, &file, map->path, NULL) == 0)
			rf_digest_cache_add(warming->cache, &file, map->file_offset,
					    rf_file_visible_bytes(&file, map->file_offset,
								  map->end - map->start),
					    mapping.digest);
	}
}

/* The program may have locked what it has mapped, so files are opened by another process. */
static void warm_if_needed(struct warming *warming)
{
	struct rf_image_mapping mapping;
	struct rf_image_file file;
	bool is_needed = false;

	for (size_t i = 0; i < warming->maps.count && !is_needed; i++)
		is_needed =
			lacks_digest(warming->cache, &warming->maps.entries[i], &mapping, &file);
	if (is_needed)
		rf_aside(warm_digests, warming);
}

void rf_snapshot_warm_digests(struct rf_digest_cache *cache)
{
	struct warming warming = { .cache = cache };
	struct rf_arena scratch;
	void *buffer;

	if (rf_arena_map(&scratch, RF_ARENA_LARGE_BYTES) < 0)
		return;
	buffer = rf_arena_take(&scratch, MAPS_BYTES);
	if (rf_maps_read(&warming.maps, buffer, MAPS_BYTES) == 0)
		warm_if_needed(&warming);
	rf_arena_unmap(&scratch);
}
