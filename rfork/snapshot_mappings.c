/* SPDX-License-Identifier: MIT */
/*
 * The table of mappings: what goes by reference, what by content, and what not at all.
 * Called by the ghost after the capture point: all memory is the arena's, nothing allocates or touches
 * errno, and no page of the image is written.
 */
#define _GNU_SOURCE
#include "rfork/snapshot_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rfork.h>

#include "rfork/fdcontent.h"
#include "rfork/file_identity.h"
#include "rfork/huge_pages.h"
#include "rfork/rest.h"
#include "rfork/sys.h"
#include "rfork/vdso.h"

/* Lists of mappings: of nearly every process, and of all. */
#define MAPS_SMALL_BYTES ((size_t)128 << 10)
#define MAPS_LARGE_BYTES ((size_t)48 << 20)
/* Of a process that is worth a survey. */
#define MAPS_TEXT_BYTES ((size_t)24 << 10)
#define MAPS_SURVEYED 160u
#define FDS_SURVEYED 1024u
/* The snapshot's own memory. */
#define ARENAS 2u

/* The mapping, which was the last one, is left out of the tables. */
static int refuse_mapping(struct rf_snapshot *snapshot, const struct rf_map *map, const char *why,
			  const struct rf_snapshot_request *request, struct rf_report *report)
{
	static const char format[] = "mapping %lx-%lx (%s%s): %s";
	const char *deleted = map->deleted ? " (deleted)" : "";

	snapshot->mapping_count--;
	if (!request->refusals)
		return rf_report(report, ENOTSUP, format, map->start, map->end, map->path, deleted,
				 why);
	rf_refuse(request->refusals, format, map->start, map->end, map->path, deleted, why);
	return 0;
}

/* A file mapping that takes its file along by name. */
static int take_by_reference(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
			     const struct rf_map *map, const struct rf_image_file *identity,
			     struct rf_report *report)
{
	mapping->image.kind = RF_MAPPING_FILE;
	mapping->image.file_offset = map->file_offset;
	mapping->image.file = rf_snapshot_intern_file(snapshot, identity, map->path);
	if (mapping->image.file == RF_IMAGE_NONE)
		return rf_report(report, ENOTSUP, "more than %zu mapped files",
				 snapshot->file_capacity);
	if (map->shared)
		mapping->image.flags |= RF_MAPPING_SHARED;
	return 0;
}

/* Whose bytes they are: an image at rest keeps the names for whoever looks at it. */
static void name_contents(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
			  const struct rf_map *map, const struct rf_image_file *identity)
{
	uint32_t file = rf_snapshot_intern_file(snapshot, identity, map->path);

	if (file == RF_IMAGE_NONE)
		return;
	mapping->image.kind = RF_MAPPING_CONTENTS;
	mapping->image.file = file;
	mapping->image.file_offset = map->file_offset;
}

/* Looks a path up, or takes the answer of the last time: neighbouring mappings share their file. */
static bool find_status(struct rf_snapshot *snapshot, const char *path)
{
	if (!snapshot->last_path || strcmp(path, snapshot->last_path) != 0) {
		snapshot->last_path = NULL;
		if (rf_sys_stat(path, &snapshot->last_status) < 0)
			return false;
		snapshot->last_path = path;
	}
	return true;
}

static int take_shared(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
		       const struct rf_map *map, const struct rf_snapshot_request *request,
		       struct rf_report *report)
{
	int error = rf_snapshot_share(snapshot, mapping, map, request->rest);

	return error < 0 ? rf_report(report, -error, "no room for the list of mappings") : 0;
}

/* The content of which a mapping is one; RF_IMAGE_NONE if its file goes otherwise.  found: its path
 * leads to it. */
static uint32_t find_content(struct rf_snapshot *snapshot, const struct rf_map *map, bool found,
			     const struct rf_snapshot_request *request)
{
	const struct stat *status = found ? &snapshot->last_status : NULL;
	uint32_t index;

	if (found && (!map->shared || !S_ISREG(status->st_mode)))
		return RF_IMAGE_NONE;
	index = rf_fdcontent_find(request->fds, map, status);
	return index == RF_IMAGE_NONE && found && request->fds->copies_named
		       ? rf_fdcontent_add_mapped(request->fds, map, status, snapshot->arena)
		       : index;
}

static void take_content(struct rf_snapshot_mapping *mapping, const struct rf_map *map,
			 uint32_t object)
{
	mapping->image.kind = RF_MAPPING_OBJECT;
	mapping->image.file = object;
	mapping->image.file_offset = map->file_offset;
	mapping->image.flags = map->shared ? RF_MAPPING_SHARED : 0;
	mapping->source = map->shared ? RF_SOURCE_NONE : RF_SOURCE_PRIVATE;
}

static int take_file(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
		     const struct rf_map *map, const struct rf_snapshot_request *request,
		     struct rf_report *report)
{
	const struct stat *status = &snapshot->last_status;
	bool found = !map->deleted && !rf_map_is_shared_memory(map) &&
		     find_status(snapshot, map->path) &&
		     rf_map_proof(&snapshot->proof, map, status);
	struct rf_map_plan plan =
		rf_map_plan(map, found ? status : NULL, !(request->flags & RFORK_SELF_CONTAINED));
	uint32_t content = find_content(snapshot, map, found, request);
	struct rf_image_file identity;

	if (content != RF_IMAGE_NONE) {
		take_content(mapping, map, content);
		return 0;
	}
	/* a memfd that no descriptor leads to any more */
	if (map->shared && rf_map_is_shared_memory(map))
		return take_shared(snapshot, mapping, map, request, report);
	if (plan.refusal)
		return refuse_mapping(snapshot, map, plan.refusal, request, report);
	mapping->source = plan.source;
	if (plan.is_reference) {
		identity = rf_file_identity(status);
		return take_by_reference(snapshot, mapping, map, &identity, report);
	}
	if (request->rest && plan.source == RF_SOURCE_CONTENTS && !rf_map_is_shared_memory(map)) {
		identity = found ? rf_file_identity(status)
				 : (struct rf_image_file){ .mode = S_IFREG,
							   .device = map->device,
							   .inode = map->inode };
		name_contents(snapshot, mapping, map, &identity);
	}
	return 0;
}

static int take_mapping(struct rf_snapshot *snapshot, const struct rf_map *map, uint64_t start,
			uint64_t end, const struct rf_snapshot_request *request,
			struct rf_report *report)
{
	struct rf_snapshot_mapping *mapping = &snapshot->mappings[snapshot->mapping_count];

	if (start >= end)
		return 0;
	mapping->image = (struct rf_image_mapping){
		.start = start,
		.end = end,
		.protection = map->protection,
		.flags = (map->kind == RF_MAP_STACK ? RF_MAPPING_GROWSDOWN : 0) |
			 rf_huge_page_bits(map) << RF_MAPPING_HUGE_SHIFT,
		.kind = RF_MAPPING_ANONYMOUS,
		.file = RF_IMAGE_NONE,
	};
	mapping->source = map->shared ? RF_SOURCE_SHARED : RF_SOURCE_PRIVATE;
	mapping->is_shared = map->shared;
	snapshot->mapping_count++;
	if (rf_own_image_has(&snapshot->own, map)) {
		mapping->source = RF_SOURCE_OWN;
		return 0;
	}
	if (rf_map_stays_shared(map))
		return take_shared(snapshot, mapping, map, request, report);
	return map->kind == RF_MAP_FILE ? take_file(snapshot, mapping, map, request, report) : 0;
}

/* -- of a process that was restarted from an executable --------------------------------------- */

static bool is_private_memory(const struct rf_snapshot_mapping *mapping)
{
	return mapping->source == RF_SOURCE_PRIVATE || mapping->source == RF_SOURCE_OWN;
}

/* Whether a mapping goes on where another ends: the restart has made several of one. */
static bool is_continuation(const struct rf_snapshot_mapping *before,
			    const struct rf_snapshot_mapping *mapping)
{
	const struct rf_image_mapping *a = &before->image, *b = &mapping->image;

	return is_private_memory(before) && is_private_memory(mapping) && a->end == b->start &&
	       a->protection == b->protection && a->flags == b->flags && a->kind == b->kind &&
	       a->file == b->file &&
	       (a->kind == RF_MAPPING_ANONYMOUS ||
		(a->kind == RF_MAPPING_CONTENTS &&
		 b->file_offset == a->file_offset + (a->end - a->start)));
}

/* Gives the last mapping the name of the file whose bytes it had. */
static void name_again(struct rf_snapshot *snapshot, const struct rf_image_mapping *named)
{
	struct rf_image_mapping *image = &snapshot->mappings[snapshot->mapping_count - 1].image;
	const struct rf_own_file *file = &snapshot->own.files[named->file];
	uint32_t index = rf_snapshot_intern_file(snapshot, &file->image, file->path);

	if (index == RF_IMAGE_NONE)
		return;
	image->kind = RF_MAPPING_CONTENTS;
	image->file = index;
	image->file_offset = named->file_offset + (image->start - named->start);
}

/* Takes a mapping from `start` to where it begins or ceases to have a file's name; returns that. */
static uint64_t take_piece(struct rf_snapshot *snapshot, const struct rf_map *map, uint64_t start,
			   uint64_t end, const struct rf_snapshot_request *request,
			   struct rf_report *report)
{
	const struct rf_image_mapping *named = rf_own_image_named(&snapshot->own, start);
	bool is_named = named && named->start <= start;
	uint64_t border = is_named ? named->end : named ? named->start : end;
	struct rf_snapshot_mapping *last = &snapshot->mappings[snapshot->mapping_count];

	if (border > end)
		border = end;
	if (take_mapping(snapshot, map, start, border, request, report) < 0)
		return 0;
	if (is_named && is_private_memory(last) && map->protection == named->protection)
		name_again(snapshot, named);
	last->is_continued = snapshot->own.inode && snapshot->mapping_count > 1 &&
			     is_continuation(last - 1, last);
	return border;
}

static int take_pieces(struct rf_snapshot *snapshot, const struct rf_map *map, uint64_t start,
		       uint64_t end, const struct rf_snapshot_request *request,
		       struct rf_report *report)
{
	while (start < end) {
		start = take_piece(snapshot, map, start, end, request, report);
		if (!start)
			return -report->error;
	}
	return 0;
}

/* What is no memory of the image, by number: the arenas, and what stands for a vdso.  False behind
 * the last. */
static bool find_hole(const struct rf_snapshot *snapshot, uint32_t hole, uint64_t *start,
		      uint64_t *end)
{
	const struct rf_arena *arenas[ARENAS] = { snapshot->arena, &snapshot->large };

	if (hole < ARENAS) {
		*start = (uintptr_t)arenas[hole]->base;
		*end = *start + arenas[hole]->bytes;
		return true;
	}
	return snapshot->is_redirected &&
	       rf_vdso_mark_range(&snapshot->mark, hole - ARENAS, start, end);
}

/* Takes what of [start, end) lies outside the holes from number `hole` on, which the kernel may
 * have joined to a mapping. */
static int take_outside(struct rf_snapshot *snapshot, const struct rf_map *map, uint64_t start,
			uint64_t end, uint32_t hole, const struct rf_snapshot_request *request,
			struct rf_report *report)
{
	uint64_t hole_start, hole_end;
	int error;

	if (!find_hole(snapshot, hole, &hole_start, &hole_end))
		return take_pieces(snapshot, map, start, end, request, report);
	if (start >= end || end <= hole_start || start >= hole_end)
		return take_outside(snapshot, map, start, end, hole + 1, request, report);
	error = take_outside(snapshot, map, start, hole_start, hole + 1, request, report);
	if (error < 0)
		return error;
	return take_outside(snapshot, map, hole_end, end, hole + 1, request, report);
}

static int take_map(struct rf_snapshot *snapshot, const struct rf_map *map,
		    const struct rf_snapshot_request *request, struct rf_report *report)
{
	if (map->kind == RF_MAP_VDSO || map->kind == RF_MAP_VVAR || map->kind == RF_MAP_KERNEL)
		return 0;
	if (request->rest && rf_rest_is_lost(map))
		return 0;
	return take_outside(snapshot, map, map->start, map->end, 0, request, report);
}

static int read_maps(struct rf_snapshot *snapshot)
{
	void *buffer = rf_snapshot_take(snapshot, MAPS_SMALL_BYTES);
	int error = buffer ? rf_maps_read(&snapshot->maps, buffer, MAPS_SMALL_BYTES) : -ENOMEM;

	if (error != -ENOBUFS)
		return error;
	buffer = rf_snapshot_take(snapshot, MAPS_LARGE_BYTES);
	return buffer ? rf_maps_read(&snapshot->maps, buffer, MAPS_LARGE_BYTES) : -ENOMEM;
}

static void find_mark(struct rf_snapshot *snapshot, const struct rf_snapshot_request *request)
{
	snapshot->is_redirected = rf_vdso_mark_find_own(&snapshot->mark, &snapshot->maps,
							request->ranges.auxv,
							request->ranges.process.auxv_bytes);
}

/* Makes the tables from snapshot->maps. */
static int take_mappings(struct rf_snapshot *snapshot, const struct rf_snapshot_request *request,
			 struct rf_report *report)
{
	size_t capacity;

	find_mark(snapshot, request);
	/* only who looks at an image at rest is interested in names */
	rf_own_image_find(&snapshot->own, request->rest ? snapshot->arena : NULL);
	/* some may be split for the holes, and each at either end of what has a name */
	capacity = snapshot->maps.count + ARENAS + 2 * snapshot->own.mapping_count +
		   (snapshot->is_redirected ? snapshot->mark.vdso.areas + 1 : 0);
	snapshot->mappings = rf_snapshot_take(snapshot, capacity * sizeof(*snapshot->mappings));
	if (!snapshot->mappings || capacity > RF_IMAGE_MAX_MAPPINGS ||
	    !rf_snapshot_make_file_table(snapshot, snapshot->maps.count + request->fds->count +
							   snapshot->own.file_count))
		return rf_report(report, ENOTSUP, "%zu mappings are too many",
				 snapshot->maps.count);
	for (size_t i = 0; i < snapshot->maps.count; i++) {
		int error = take_map(snapshot, &snapshot->maps.entries[i], request, report);

		if (error < 0)
			return error;
	}
	return 0;
}

int rf_snapshot_survey(struct rf_snapshot *snapshot, struct rf_arena *arena,
		       const struct rf_snapshot_request *request, struct rf_report *report)
{
	struct rf_map *entries = rf_arena_take(arena, MAPS_SURVEYED * sizeof(*entries));
	char *text = rf_arena_take(arena, MAPS_TEXT_BYTES);
	char *parsed;
	long bytes;
	int error;

	snapshot->arena = arena;
	/* with less the tables certainly fit into the arena, and no other is mapped here */
	if (request->fds->count > FDS_SURVEYED)
		return rf_report(report, ENOBUFS, "too many descriptors for a survey");
	if (!entries || !text)
		return rf_report(report, ENOMEM, "no room for the list of mappings");
	bytes = rf_maps_read_text(text, MAPS_TEXT_BYTES);
	parsed = bytes < 0 ? NULL : rf_arena_take(arena, (size_t)bytes);
	if (!parsed)
		return rf_report(report, bytes < 0 ? (int)-bytes : ENOMEM, "/proc/self/maps: %m");
	memcpy(parsed, text, (size_t)bytes);
	error = rf_maps_parse(&snapshot->maps, parsed, (size_t)bytes, entries, MAPS_SURVEYED);
	if (error < 0)
		return rf_report(report, -error, "/proc/self/maps: %m");
	snapshot->maps_text = text;
	snapshot->maps_text_bytes = (size_t)bytes;
	return take_mappings(snapshot, request, report);
}

/* Takes the survey's tables over, if there is one and the list of mappings is still the same. */
static bool adopt_survey(struct rf_snapshot *snapshot, const struct rf_snapshot_request *request)
{
	const struct rf_snapshot *survey = request->survey;
	char *text;

	if (!survey)
		return false;
	text = rf_snapshot_take(snapshot, survey->maps_text_bytes + 1);
	if (!text ||
	    rf_maps_read_text(text, survey->maps_text_bytes + 1) != (long)survey->maps_text_bytes ||
	    memcmp(text, survey->maps_text, survey->maps_text_bytes) != 0)
		return false;
	snapshot->maps = survey->maps;
	find_mark(snapshot, request);
	/* the caller may not have been permitted to read the auxiliary vector */
	if (snapshot->is_redirected != survey->is_redirected)
		return false;
	snapshot->files = survey->files;
	snapshot->file_count = survey->file_count;
	snapshot->file_capacity = survey->file_capacity;
	snapshot->file_index = survey->file_index;
	snapshot->mappings = survey->mappings;
	snapshot->shared = survey->shared;
	snapshot->mapping_count = survey->mapping_count;
	return true;
}

int rf_snapshot_collect_mappings(struct rf_snapshot *snapshot,
				 const struct rf_snapshot_request *request,
				 struct rf_report *report)
{
	int error = 0;

	if (!adopt_survey(snapshot, request)) {
		error = read_maps(snapshot);
		if (error < 0)
			return rf_report(report, error == -ENOBUFS ? ENOTSUP : -error,
					 error == -ENOBUFS ? "too many mappings"
							   : "/proc/self/maps: %m");
		error = take_mappings(snapshot, request, report);
	}
	return error < 0 || request->same_boot
		       ? error
		       : rf_snapshot_digest_files(snapshot, request, report);
}
