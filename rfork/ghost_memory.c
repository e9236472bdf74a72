/* SPDX-License-Identifier: MIT */
/*
 * Gives the memory of the image back, once the child runs.  Called by ghost.c; what it leaves is what
 * the relay runs on.
 */
#define _GNU_SOURCE
#include "rfork/ghost_memory.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "rfork/sys.h"

#define PAGE_BYTES 4096u
/* A mapping without a file that follows a library's data is its .bss, and code that the ghost
 * still runs may read it; programs with a larger one are not linked into ours. */
#define SMALL_BSS_BYTES ((uint64_t)256 << 10)

static void unmap_around(uint64_t start, uint64_t end, uint64_t hole_start, uint64_t hole_end)
{
	if (hole_start > start && start < end)
		rf_sys_munmap(start, (hole_start < end ? hole_start : end) - start);
	if (hole_end < end) {
		uint64_t from = hole_end > start ? hole_end : start;

		rf_sys_munmap(from, end - from);
	}
}

static bool has_code(const struct rf_maps *maps, const struct rf_map *of)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct rf_map *map = &maps->entries[i];

		if (map->kind == RF_MAP_FILE && map->protection & RF_PROTECTION_EXECUTE &&
		    map->inode == of->inode && map->device == of->device)
			return true;
	}
	return false;
}

/*
 * Code that came here by content is anonymous memory: our own library's, and libc's.  Each is a run of
 * mappings without gaps, of which only small ones can be written to.
 */
struct run {
	uint64_t start, end;
};

static bool is_large(const struct rf_map *map)
{
	return map->protection & RF_PROTECTION_WRITE && map->end - map->start > SMALL_BSS_BYTES;
}

static struct run find_run(const struct rf_maps *maps, uintptr_t address)
{
	const struct rf_map *first = maps->entries, *end = first + maps->count;
	const struct rf_map *low = first, *high;

	while (low < end && low->end <= address)
		low++;
	if (low == end)
		return (struct run){ 0, 0 };
	high = low;
	while (low > first && low[-1].end == low->start && !is_large(&low[-1]))
		low--;
	while (high + 1 < end && high[1].start == high->end && !is_large(&high[1]))
		high++;
	return (struct run){ low->start, high->end };
}

static bool is_within(const struct rf_map *map, const struct run *run)
{
	return map->start >= run->start && map->end <= run->end;
}

/* Whether the ghost's own code may still need a mapping. */
static bool is_needed(const struct rf_maps *maps, const struct rf_map *map,
		      const struct rf_map *previous, bool previous_needed)
{
	if (map->kind == RF_MAP_VDSO || map->kind == RF_MAP_VVAR || map->kind == RF_MAP_KERNEL)
		return true;
	if (map->shared)
		return false;
	if (map->kind == RF_MAP_FILE) {
		if (previous && previous->inode == map->inode && previous->device == map->device)
			return previous_needed;
		return has_code(maps, map);
	}
	return previous && previous->kind == RF_MAP_FILE && previous_needed &&
	       previous->end == map->start && map->end - map->start <= SMALL_BSS_BYTES;
}

void rf_ghost_drop_files(const struct rf_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		const struct rf_snapshot_mapping *mapping = &snapshot->mappings[i];

		if (mapping->image.kind == RF_MAPPING_FILE && mapping->runs_complete &&
		    mapping->runs == 0)
			rf_sys_madvise(mapping->image.start,
				       mapping->image.end - mapping->image.start, MADV_DONTNEED);
	}
}

void rf_ghost_give_back(struct rf_snapshot *snapshot, size_t scratch)
{
	const struct rf_arena *arena = snapshot->arena;
	const struct rf_maps *maps = &snapshot->maps;
	uint64_t control = snapshot->thread.registers.fs_base & ~(uint64_t)(PAGE_BYTES - 1);
	uint64_t arena_start = (uintptr_t)arena->base;
	uint64_t arena_end = arena_start + arena->bytes;
	uint64_t large_start = (uintptr_t)snapshot->large.base;
	uint64_t large_end = large_start + snapshot->large.bytes;
	const struct run ours = find_run(maps, (uintptr_t)rf_ghost_give_back);
	const struct run libc = find_run(maps, (uintptr_t)memcpy);
	uintptr_t unused = ((uintptr_t)arena->base + scratch + PAGE_BYTES - 1) &
			   ~(uintptr_t)(PAGE_BYTES - 1);
	bool needed = false;

	for (size_t i = 0; i < maps->count; i++) {
		const struct rf_map *map = &maps->entries[i];

		needed = is_needed(maps, map, i ? map - 1 : NULL, needed);
		if (needed || (map->kind == RF_MAP_ANONYMOUS && !map->shared &&
			       (is_within(map, &ours) || is_within(map, &libc))))
			continue;
		if (map->start < arena_end && map->end > arena_start)
			unmap_around(map->start, map->end, arena_start, arena_end);
		else if (map->start < large_end && map->end > large_start)
			unmap_around(map->start, map->end, large_start, large_end);
		else
			unmap_around(map->start, map->end, control, control + PAGE_BYTES);
	}
	rf_arena_unmap(&snapshot->large); /* the list of mappings is in it */
	rf_sys_madvise(unused, arena_end - RF_ARENA_STACK_BYTES - unused, MADV_DONTNEED);
	rf_sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
