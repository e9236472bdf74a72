/* SPDX-License-Identifier: MIT */
/*
 * The mappings of a stopped process, and which of its memory holds data, by the rules by which a
 * ghost tells of itself (rfork/maps.h, rfork/pagemap.h).  Called by process_reader.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "rfork/file_identity.h"
#include "rfork/huge_pages.h"
#include "rfork/io.h"
#include "rfork/map_proof.h"
#include "rfork/own_image.h"
#include "rfork/shared_memory.h"
#include "tools/process_internal.h"

#define PAGE_BYTES 4096u
#define RUNS 256
#define RESIDENT_PAGES ((uint64_t)RF_TRACEE_DATA_BYTES)

/* What stays the same while mappings are looked at. */
struct look {
	struct rf_process *process;
	struct rf_pagemap_walk walk;
	int memory_fd;	  /* the source's */
	const char *path; /* what status is of; NULL = nothing */
	struct stat status;
	struct rf_map_proof proof;
	struct rf_own_image own; /* of a process that was restarted from an executable */
	struct rf_shared_memories shared;
	struct rf_report *report;
};

/* -- segments ---------------------------------------------------------------------------------- */

static int add_segment(struct look *look, uint64_t start, uint64_t end, enum rf_segment_kind kind)
{
	struct rf_process *process = look->process;
	struct rf_source *source = process->source;

	if (source->segment_count == process->segment_capacity) {
		size_t capacity = process->segment_capacity ? 2 * process->segment_capacity : 1024;
		struct rf_segment *segments =
			reallocarray(source->segments, capacity, sizeof(*segments));

		if (!segments)
			return rf_report(look->report, ENOMEM, "no memory for the list of pages");
		source->segments = segments;
		process->segment_capacity = capacity;
	}
	if (source->segment_count == RF_IMAGE_MAX_SEGMENTS)
		return rf_report(look->report, ENOTSUP, "memory is in more than %u pieces",
				 RF_IMAGE_MAX_SEGMENTS);
	source->segments[source->segment_count++] = (struct rf_segment){
		.address = start,
		.bytes = end - start,
		.offset = kind == RF_SEGMENT_DATA ? start : 0,
		.fd = kind == RF_SEGMENT_DATA ? look->memory_fd : -1,
		.kind = kind,
	};
	return 0;
}

static int add_data(struct look *look, struct rf_image_mapping *mapping, uint64_t start,
		    uint64_t end)
{
	mapping->data_pages += (end - start) / PAGE_BYTES;
	return add_segment(look, start, end, RF_SEGMENT_DATA);
}

/* Neighbours that differ only in how they are to be read become one. */
static int take_private(struct look *look, struct rf_image_mapping *mapping)
{
	struct rf_page_run runs[RUNS], last = { 0 };
	uint64_t next = mapping->start;
	int error = 0;

	while (next < mapping->end && error == 0) {
		long count =
			rf_pagemap_walk_runs(&look->walk, next, mapping->end, runs, RUNS, &next);

		if (count < 0)
			return rf_report(look->report, (int)-count, "pages of %lx-%lx: %m",
					 mapping->start, mapping->end);
		for (long i = 0; i < count && error == 0; i++) {
			bool is_guard = runs[i].kind == RF_PAGES_GUARD;

			if (!is_guard && last.end == runs[i].start && last.end > last.start) {
				last.end = runs[i].end;
				continue;
			}
			if (last.end > last.start)
				error = add_data(look, mapping, last.start, last.end);
			last = is_guard ? (struct rf_page_run){ 0 } : runs[i];
			if (is_guard && error == 0)
				error = add_segment(look, runs[i].start, runs[i].end,
						    RF_SEGMENT_GUARD);
		}
	}
	if (error == 0 && last.end > last.start)
		error = add_data(look, mapping, last.start, last.end);
	return error;
}

/* -- shared memory ----------------------------------------------------------------------------- */

static bool is_something_swapped_out(void)
{
	struct sysinfo info;

	return sysinfo(&info) < 0 || info.totalswap != info.freeswap;
}

/* Which pages of [start, start + pages) there are, which only who has them mapped can ask. */
static int ask_resident(struct look *look, uint64_t start, uint64_t pages, unsigned char *resident)
{
	struct rf_process *process = look->process;
	struct rf_tracee *thread = &process->tracees.threads[0];
	long result;
	int error = rf_tracee_call(&process->tracees, thread, &result, look->report, SYS_mincore,
				   start, pages * PAGE_BYTES, rf_tracee_data(thread), 0);

	if (error < 0)
		return error;
	if (result < 0)
		return rf_report(look->report, (int)-result, "pages at %lx: %m", start);
	error = rf_tracee_read(&process->tracees, rf_tracee_data(thread), resident, pages);
	return error < 0 ? rf_report(look->report, -error, "memory of the process: %m") : 0;
}

/* Its pages need not be in the page table of this process.  Where that cannot be told, all are
 * read. */
static int take_shared(struct look *look, struct rf_image_mapping *mapping)
{
	unsigned char resident[RESIDENT_PAGES];
	uint64_t first = 0;

	if (!look->process->can_call || is_something_swapped_out())
		return add_data(look, mapping, mapping->start, mapping->end);
	for (uint64_t at = mapping->start; at < mapping->end;) {
		uint64_t pages = (mapping->end - at) / PAGE_BYTES;
		int error;

		if (pages > RESIDENT_PAGES)
			pages = RESIDENT_PAGES;
		error = ask_resident(look, at, pages, resident);
		for (uint64_t i = 0; i < pages && error == 0; i++, at += PAGE_BYTES) {
			if (resident[i] & 1) {
				first = first ? first : at;
			} else if (first) {
				error = add_data(look, mapping, first, at);
				first = 0;
			}
		}
		if (error < 0)
			return error;
	}
	return first ? add_data(look, mapping, first, mapping->end) : 0;
}

/* -- contents ---------------------------------------------------------------------------------- */

/* The end of what can be read: behind the last page of a file there is nothing. */
static uint64_t find_readable_end(const struct look *look, const struct rf_image_mapping *mapping)
{
	uint64_t end = mapping->end;
	char byte;

	while (end > mapping->start &&
	       rf_tracee_read(&look->process->tracees, end - PAGE_BYTES, &byte, 1) < 0)
		end -= PAGE_BYTES;
	return end;
}

/* A file without a path: its name remains known. */
static int name_contents(struct look *look, struct rf_image_mapping *mapping,
			 const struct rf_map *map)
{
	struct rf_image_file identity = { .mode = S_IFREG,
					  .device = map->device,
					  .inode = map->inode };
	long file;

	if (map->path[0] != '/' || rf_map_is_shared_memory(map))
		return 0;
	file = rf_process_intern_file(look->process, &identity, map->path);
	if (file < 0)
		return rf_report(look->report, (int)-file, "too many files: %m");
	mapping->kind = RF_MAPPING_CONTENTS;
	mapping->file = (uint32_t)file;
	mapping->file_offset = map->file_offset;
	return 0;
}

static int take_contents(struct look *look, struct rf_image_mapping *mapping,
			 const struct rf_map *map)
{
	uint64_t end = find_readable_end(look, mapping);
	int error = name_contents(look, mapping, map);

	/* its memory goes along, but no kernel would write to it any more */
	if (error == 0 && strcmp(map->path, "/[aio]") == 0 &&
	    rf_source_lose(look->process->source, "asynchronous I/O (io_setup)") < 0)
		error = rf_report(look->report, ENOMEM, "no memory");
	if (error < 0 || end == mapping->start)
		return error;
	return add_data(look, mapping, mapping->start, end);
}

/* -- mappings ---------------------------------------------------------------------------------- */

/* Looks a path up, or takes the answer of the last time: neighbouring mappings share their file. */
static const struct stat *find_status(struct look *look, const struct rf_map *map)
{
	if (map->deleted || rf_map_is_shared_memory(map))
		return NULL;
	if (!look->path || strcmp(map->path, look->path) != 0) {
		look->path = stat(map->path, &look->status) == 0 ? map->path : NULL;
		if (!look->path)
			return NULL;
	}
	return rf_map_proof(&look->proof, map, &look->status) ? &look->status : NULL;
}

static int refer(struct look *look, struct rf_image_mapping *mapping, const struct rf_map *map)
{
	struct rf_image_file identity = rf_file_identity(&look->status);
	long file = rf_process_intern_file(look->process, &identity, map->path);

	if (file < 0)
		return rf_report(look->report, (int)-file, "too many files: %m");
	mapping->kind = RF_MAPPING_FILE;
	mapping->file = (uint32_t)file;
	mapping->file_offset = map->file_offset;
	if (map->shared)
		mapping->flags |= RF_MAPPING_SHARED;
	return 0;
}

/* Makes a mapping one of the memory that the process shares with its children. */
static enum rf_page_source share(struct look *look, struct rf_image_mapping *mapping,
				 const struct rf_map *map)
{
	mapping->flags |= RF_MAPPING_SHARED;
	mapping->file = rf_shared_memories_number(&look->shared, map->device, map->inode);
	mapping->file_offset = map->file_offset;
	return rf_map_shared_source(map);
}

/* Whether it is the mapping of a file whose bytes the image holds. */
static bool take_content(struct look *look, struct rf_image_mapping *mapping,
			 const struct rf_map *map)
{
	const struct rf_process *process = look->process;

	if (map->kind != RF_MAP_FILE || !map->inode)
		return false;
	for (uint32_t i = 0; i < process->source->image.head.objects; i++) {
		if (process->contents[i].inode != map->inode ||
		    process->contents[i].device != map->device)
			continue;
		mapping->kind = RF_MAPPING_OBJECT;
		mapping->file = i;
		mapping->file_offset = map->file_offset;
		mapping->flags = map->shared ? RF_MAPPING_SHARED : 0;
		return true;
	}
	return false;
}

static int take_map(struct look *look, struct rf_image_mapping *mapping, const struct rf_map *map)
{
	struct rf_map_plan plan = { .source = map->shared ? RF_SOURCE_SHARED : RF_SOURCE_PRIVATE };
	int error = 0;

	*mapping = (struct rf_image_mapping){
		.start = map->start,
		.end = map->end,
		.protection = map->protection,
		.flags = (map->kind == RF_MAP_STACK ? RF_MAPPING_GROWSDOWN : 0) |
			 rf_huge_page_bits(map) << RF_MAPPING_HUGE_SHIFT,
		.kind = RF_MAPPING_ANONYMOUS,
		.file = RF_IMAGE_NONE,
	};
	if (rf_own_image_has(&look->own, map))
		plan.source = RF_SOURCE_OWN;
	else if (take_content(look, mapping, map))
		plan.source = map->shared ? RF_SOURCE_NONE : RF_SOURCE_PRIVATE;
	else if (rf_map_stays_shared(map) || (map->shared && rf_map_is_shared_memory(map)))
		plan.source = share(look, mapping, map);
	else if (map->kind == RF_MAP_FILE)
		plan = rf_map_plan(map, find_status(look, map), true);
	if (plan.refusal)
		return rf_report(look->report, ENOTSUP, "mapping %lx-%lx (%s%s): %s", map->start,
				 map->end, map->path, map->deleted ? " (deleted)" : "",
				 plan.refusal);
	if (plan.is_reference)
		error = refer(look, mapping, map);
	if (error < 0)
		return error;
	switch (plan.source) {
	case RF_SOURCE_PRIVATE:
		return take_private(look, mapping);
	case RF_SOURCE_SHARED:
		return take_shared(look, mapping);
	case RF_SOURCE_CONTENTS:
		return take_contents(look, mapping, map);
	case RF_SOURCE_OWN:
		return add_data(look, mapping, map->start, map->end);
	case RF_SOURCE_NONE:
		break;
	}
	return 0;
}

/* -- of a process that was restarted from an executable ---------------------------------------- */

/* Gives a mapping the name of the file whose bytes it had. */
static int name_again(struct look *look, struct rf_image_mapping *mapping,
		      const struct rf_image_mapping *named)
{
	const struct rf_own_file *known = &look->own.files[named->file];
	long file = rf_process_intern_file(look->process, &known->image, known->path);

	if (file < 0)
		return rf_report(look->report, (int)-file, "too many files: %m");
	mapping->kind = RF_MAPPING_CONTENTS;
	mapping->file = (uint32_t)file;
	mapping->file_offset = named->file_offset + (mapping->start - named->start);
	return 0;
}

/* Whether a mapping goes on where another ends: the restart has made several of one. */
static bool is_continuation(const struct rf_image_mapping *a, const struct rf_image_mapping *b)
{
	return a->end == b->start && a->protection == b->protection && a->flags == b->flags &&
	       a->kind == b->kind && a->file == b->file &&
	       (a->file == RF_IMAGE_NONE ||
		(a->kind != RF_MAPPING_FILE &&
		 b->file_offset == a->file_offset + (a->end - a->start)));
}

/* Counts the mapping behind the last one, or joins it to that. */
static void keep_mapping(struct look *look)
{
	struct rf_image *image = &look->process->source->image;
	struct rf_image_mapping *mapping = &image->mappings[image->mappings_read];

	image->head.data_pages += mapping->data_pages;
	if (look->own.inode && image->mappings_read && is_continuation(mapping - 1, mapping)) {
		mapping[-1].end = mapping->end;
		mapping[-1].data_pages += mapping->data_pages;
		return;
	}
	image->mappings_read++;
}

/* Takes a mapping, piece by piece where it begins or ceases to have a file's name. */
static int take_pieces(struct look *look, const struct rf_map *map)
{
	struct rf_image *image = &look->process->source->image;
	struct rf_map piece = *map;
	int error = 0;

	for (; piece.start < map->end && error == 0; piece.start = piece.end) {
		struct rf_image_mapping *mapping = &image->mappings[image->mappings_read];
		const struct rf_image_mapping *named = rf_own_image_named(&look->own, piece.start);
		bool is_named = named && named->start <= piece.start && !map->shared &&
				named->protection == map->protection;

		piece.end = !named			 ? map->end
			    : named->start > piece.start ? named->start
							 : named->end;
		if (piece.end > map->end)
			piece.end = map->end;
		piece.file_offset = map->file_offset + (piece.start - map->start);
		error = take_map(look, mapping, &piece);
		if (error == 0 && is_named && mapping->kind == RF_MAPPING_ANONYMOUS)
			error = name_again(look, mapping, named);
		keep_mapping(look);
	}
	return error;
}

/* -- of a process that came from another kernel ------------------------------------------------ */

/* Takes what of a mapping is outside the ranges, from number `range` on, that stand for a vdso. */
static int take_outside(struct look *look, const struct rf_map *map, uint32_t range)
{
	struct rf_map before = *map, behind = *map;
	uint64_t start, end;
	int error = 0;

	if (map->start >= map->end)
		return 0;
	if (!look->process->is_redirected ||
	    !rf_vdso_mark_range(&look->process->mark, range, &start, &end))
		return take_pieces(look, map);
	if (map->end <= start || map->start >= end)
		return take_outside(look, map, range + 1);
	before.end = start;
	behind.start = end;
	error = take_outside(look, &before, range + 1);
	return error < 0 ? error : take_outside(look, &behind, range + 1);
}

/* -- all of them ------------------------------------------------------------------------------- */

static int take_maps(struct look *look)
{
	struct rf_process *process = look->process;
	struct rf_image *image = &process->source->image;
	int error = 0;

	rf_process_find_vdso(process);
	/* each may be split at either end of what has a name, and some for a vdso */
	image->mappings = calloc(process->maps.count + 2 * look->own.mapping_count +
					 RF_IMAGE_MAX_VDSO_AREAS + 1,
				 sizeof(*image->mappings));
	if (!image->mappings)
		return rf_report(look->report, ENOMEM, "no memory for the list of mappings");
	for (size_t i = 0; i < process->maps.count && error == 0; i++) {
		const struct rf_map *map = &process->maps.entries[i];

		if (map->kind == RF_MAP_VDSO || map->kind == RF_MAP_VVAR ||
		    map->kind == RF_MAP_KERNEL)
			continue;
		if (image->mappings_read + 2 * look->own.mapping_count >= RF_IMAGE_MAX_MAPPINGS)
			return rf_report(look->report, ENOTSUP, "%zu mappings are too many",
					 process->maps.count);
		error = take_outside(look, map, 0);
	}
	image->head.mappings = image->mappings_read;
	return error;
}

/* -- the whole --------------------------------------------------------------------------------- */

/* The source reads it as long as it is open, and never writes. */
static int open_memory(struct look *look)
{
	char path[32];

	rf_format(path, sizeof(path), "/proc/%d/mem", (int)look->process->tracees.pid);
	look->memory_fd = rf_io_above_stdio(open(path, O_RDONLY | O_CLOEXEC));
	if (look->memory_fd < 0)
		return rf_report(look->report, errno, "%s: %m", path);
	look->memory_fd = rf_source_own(look->process->source, look->memory_fd);
	return look->memory_fd < 0 ? rf_report(look->report, ENOMEM, "no memory") : 0;
}

int rf_process_read_memory(struct rf_process *process, struct rf_report *report)
{
	struct look look = { .process = process, .report = report };
	struct rf_maps maps = process->maps;
	void *shared;
	struct rf_arena arena;
	int error = open_memory(&look);

	if (error == 0)
		error = rf_pagemap_open_of(&process->pagemap, process->tracees.pid);
	if (error < 0)
		return rf_report(report, -error, "/proc/%d/pagemap: %m", (int)process->tracees.pid);
	while (maps.count && maps.entries[maps.count - 1].kind == RF_MAP_KERNEL)
		maps.count--; /* what no user may ask for */
	if (maps.count)
		rf_pagemap_walk_begin(&look.walk, &process->pagemap, maps.entries[0].start,
				      maps.entries[maps.count - 1].end);
	error = rf_arena_map(&arena, RF_ARENA_LARGE_BYTES);
	if (error < 0)
		return rf_report(report, -error, "no memory for the names of files");
	shared = rf_arena_take(&arena, rf_shared_memories_bytes(maps.count));
	if (shared) {
		rf_shared_memories_init(&look.shared, shared, maps.count);
		rf_own_image_find_of(&look.own, process->tracees.pid, &arena);
		error = take_maps(&look);
	} else {
		error = rf_report(report, ENOMEM, "no memory for the list of mappings");
	}
	rf_arena_unmap(&arena);
	if (error == 0)
		error = rf_process_read_marks(process, report);
	return error < 0 ? error : rf_process_read_vdso(process, report);
}
