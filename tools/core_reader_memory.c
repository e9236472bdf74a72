/* SPDX-License-Identifier: MIT */
/*
 * Joins the memory of a core (PT_LOAD) with the files that were mapped (NT_FILE) to mappings and
 * segments.  The kernel has one PT_LOAD for each mapping; gcore leaves out what it finds unchanged
 * in files.  What neither the core nor a proven file holds is remembered, and refused at last.
 * Source: Linux, fs/coredump.c, vma_dump_size(); gdb, gdb/linux-tdep.c, dump_mapping_p().
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/vdso.h"
#include "tools/core_reader_parts.h"

#define MAX_VDSO_BYTES (64u << 10)
#define MAX_DATA_AREA_BYTES (64u << 10)
#define MAPS_BYTES ((size_t)4 << 20)
#define MAX_NAMED_RANGES 6u

/* Memory with the same PT_LOAD and the same entry of NT_FILE, or none. */
struct piece {
	uint64_t start, end;
	const struct core_load *load;
	const struct core_mapped *mapped;
};

/* -- the vdso ------------------------------------------------------------------------------- */

/* The areas of our own vdso; false if it cannot be found. */
static bool find_own_vdso(struct rf_vdso *vdso)
{
	void *buffer = malloc(MAPS_BYTES);
	struct rf_maps maps;
	bool is_found = buffer && rf_maps_read(&maps, buffer, MAPS_BYTES) == 0 &&
			rf_vdso_find(vdso, &maps) == 0 && vdso->count;

	free(buffer);
	return is_found;
}

/* Where the same build lies the areas have the same order: data that the core may lack, and
 * code. */
static void place_own_areas(struct core *core, const struct rf_vdso *own, uint64_t code)
{
	struct rf_image *image = &core->source->image;
	uint64_t own_code = 0;

	for (uint32_t i = 0; i < own->count; i++)
		if (own->areas[i].kind == RF_VDSO_CODE)
			own_code = own->areas[i].start;
	for (uint32_t i = 0; i < own->count; i++) {
		image->vdso_areas[i] = own->areas[i];
		image->vdso_areas[i].start += code - own_code;
		image->vdso_areas[i].end += code - own_code;
	}
	image->vdso.areas = own->count;
}

static bool is_mapped(const struct core *core, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < core->mapped_count; i++)
		if (core->mapped[i].start < end && start < core->mapped[i].end)
			return true;
	return false;
}

static bool is_data_area(const struct core *core, const struct core_load *load, uint64_t end)
{
	if (load->end != end || load->protection & RF_PROTECTION_WRITE ||
	    load->end - load->start > MAX_DATA_AREA_BYTES)
		return false;
	return !is_mapped(core, load->start, load->end);
}

/* Of another build: what lies right before the code is its data. */
static void place_found_areas(struct core *core, const struct core_load *code)
{
	struct rf_image *image = &core->source->image;
	const struct core_load *first = code;
	uint32_t count = 0;

	while (first > core->loads && count < RF_IMAGE_MAX_VDSO_AREAS - 1 &&
	       is_data_area(core, first - 1, first->start)) {
		first--;
		count++;
	}
	image->vdso.areas = count + 1;
	for (uint32_t i = 0; i <= count; i++)
		image->vdso_areas[i] = (struct rf_image_vdso_area){
			.start = first[i].start,
			.end = first[i].end,
			.kind = first + i == code ? RF_VDSO_CODE : RF_VDSO_DATA,
		};
}

int core_take_vdso(struct core *core)
{
	unsigned char code[MAX_VDSO_BYTES];
	const struct core_load *load;
	struct rf_vdso own;
	uint64_t address;
	size_t bytes;

	if (!core_auxv(core, AT_SYSINFO_EHDR, &address))
		return 0;
	load = core_find_load(core, address);
	if (!load || load->start != address || load->held != load->end ||
	    load->end - load->start > sizeof(code))
		return core_report(core, ENOTSUP, "it does not hold the vdso at %lx",
				   (unsigned long)address);
	bytes = (size_t)(load->end - load->start);
	if (pread(core->fd, code, bytes, (off_t)load->offset) != (ssize_t)bytes)
		return core_report(core, EIO, "offset %lu: the vdso cannot be read",
				   (unsigned long)load->offset);
	core->source->image.vdso_code = malloc(bytes);
	if (!core->source->image.vdso_code)
		return core_report(core, ENOMEM, "no memory");
	memcpy(core->source->image.vdso_code, code, bytes);
	core->source->image.vdso.digest = rf_digest64(code, bytes);
	if (core->source->image.vdso.digest == core->here.vdso_digest && find_own_vdso(&own))
		place_own_areas(core, &own, address);
	else
		place_found_areas(core, load);
	return 0;
}

static bool is_vdso(const struct core *core, const struct piece *piece)
{
	const struct rf_image *image = &core->source->image;

	for (uint32_t i = 0; i < image->vdso.areas; i++)
		if (image->vdso_areas[i].start <= piece->start &&
		    piece->end <= image->vdso_areas[i].end)
			return true;
	return false;
}

/* -- what is missing ------------------------------------------------------------------------- */

int core_miss(struct core *core, uint64_t start, uint64_t end, const char *path, const char *why)
{
	char *text;

	if (core->missing_count++ >= MAX_NAMED_RANGES)
		return 0;
	if (asprintf(&text, "%s%s%lx-%lx (%s%s%s)", core->missing ? core->missing : "",
		     core->missing ? ", " : "", (unsigned long)start, (unsigned long)end,
		     path ? path : "", path ? ": " : "", why) < 0)
		return core_no_memory(core);
	free(core->missing);
	core->missing = text;
	return 0;
}

static int refuse_missing(struct core *core)
{
	char more[32] = "";

	if (!core->missing)
		return 0;
	if (core->missing_count > MAX_NAMED_RANGES)
		snprintf(more, sizeof(more), " in %zu places", core->missing_count);
	/* the end may be cut off */
	return core_report(
		core, ENOTSUP, "memory is missing%s%s: %s", more,
		core->has_unproven ? " (--assume-unchanged takes files that nothing proves)" : "",
		core->missing);
}

/* -- segments -------------------------------------------------------------------------------- */

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int core_add_segment(struct core *core, uint64_t address, uint64_t bytes, int fd, uint64_t offset)
{
	struct rf_source *source = core->source;
	struct rf_image *image = &source->image;

	if (!bytes)
		return 0;
	if (source->segment_count == core->segment_capacity) {
		size_t capacity = core->segment_capacity ? core->segment_capacity * 2 : 256;
		struct rf_segment *segments =
			reallocarray(source->segments, capacity, sizeof(*segments));

		if (!segments)
			return core_no_memory(core);
		source->segments = segments;
		core->segment_capacity = capacity;
	}
	if (source->segment_count == RF_IMAGE_MAX_SEGMENTS)
		return core_report(core, ENOTSUP, "it has more than %u pieces of memory",
				   RF_IMAGE_MAX_SEGMENTS);
	source->segments[source->segment_count++] = (struct rf_segment){
		.address = address,
		.bytes = bytes,
		.offset = offset,
		.fd = fd,
		.kind = RF_SEGMENT_DATA,
	};
	image->mappings[image->mappings_read - 1].data_pages += bytes / CORE_PAGE_BYTES;
	return 0;
}

/* Where coredump_filter leaves out private memory, the stacks are missing too; but those of a
 * restarted executable may still be as its file has them. */
static int check_stacks(struct core *core)
{
	for (size_t i = 0; i < core->thread_count; i++) {
		uint64_t stack = core_registers(&core->threads[i]).rsp;
		const struct core_load *load = core_find_load(core, stack);

		if (load && load->held <= stack && !is_mapped(core, load->start, load->end))
			return core_report(
				core, ENOTSUP,
				"memory is missing: %lx-%lx, the stack of a thread: coredump_filter has left out private memory",
				(unsigned long)load->held, (unsigned long)load->end);
	}
	return 0;
}

/* Memory without a file that the core does not hold: where nobody has written, the kernel dumps
 * nothing and it reads as zero. */
static int fill_anonymous(struct core *core, const struct piece *piece, uint64_t from)
{
	bool is_shared = piece->mapped != NULL; /* its file is in memory */
	bool is_cut = piece->load && piece->load->held > piece->load->start;

	if (is_shared || is_cut)
		return core_miss(core, from, piece->end, piece->mapped ? piece->mapped->path : NULL,
				 "left out by coredump_filter");
	return 0;
}

static int fill_piece(struct core *core, const struct piece *piece, uint32_t file)
{
	uint64_t held = piece->load ? later(piece->start, earlier(piece->end, piece->load->held))
				    : piece->start;
	int error = 0;

	if (piece->load && held > piece->start)
		error = core_add_segment(core, piece->start, held - piece->start, core->fd,
					 piece->load->offset + (piece->start - piece->load->start));
	if (error < 0 || held == piece->end)
		return error;
	if (file == RF_IMAGE_NONE)
		return fill_anonymous(core, piece, held);
	return core_complete(core, file, held, piece->end,
			     piece->mapped->offset + (held - piece->mapped->start));
}

/* -- mappings -------------------------------------------------------------------------------- */

/* The main stack is where the kernel has put the arguments. */
static bool is_main_stack(const struct core *core, const struct piece *piece)
{
	uint64_t address;

	return !piece->mapped && core_auxv(core, AT_RANDOM, &address) && piece->start <= address &&
	       address < piece->end;
}

static struct rf_image_mapping *new_mapping(struct core *core)
{
	struct rf_image *image = &core->source->image;

	if (image->mappings_read == core->mapping_capacity) {
		size_t capacity = core->mapping_capacity ? core->mapping_capacity * 2 : 256;
		struct rf_image_mapping *mappings =
			reallocarray(image->mappings, capacity, sizeof(*mappings));

		if (!mappings)
			return NULL;
		image->mappings = mappings;
		core->mapping_capacity = capacity;
	}
	return &image->mappings[image->mappings_read++];
}

static int add_piece(struct core *core, const struct piece *piece)
{
	uint32_t file = piece->mapped ? piece->mapped->file : RF_IMAGE_NONE;
	struct rf_image_mapping *mapping;

	if (is_vdso(core, piece))
		return 0;
	if (core->source->image.mappings_read == RF_IMAGE_MAX_MAPPINGS)
		return core_report(core, ENOTSUP, "it has more than %u mappings",
				   RF_IMAGE_MAX_MAPPINGS);
	mapping = new_mapping(core);
	if (!mapping)
		return core_no_memory(core);
	*mapping = (struct rf_image_mapping){
		.start = piece->start,
		.end = piece->end,
		.protection = piece->load ? piece->load->protection : 0,
		.flags = is_main_stack(core, piece) ? RF_MAPPING_GROWSDOWN : 0,
		.kind = file == RF_IMAGE_NONE ? RF_MAPPING_ANONYMOUS : RF_MAPPING_CONTENTS,
		.file = file,
	};
	if (file != RF_IMAGE_NONE)
		mapping->file_offset =
			piece->mapped->offset + (piece->start - piece->mapped->start);
	if (!piece->load && file != RF_IMAGE_NONE)
		mapping->protection = core_protection(core, file, piece->start);
	return fill_piece(core, piece, file);
}

/* gcore leaves out mappings of files that are no libraries, and nothing else tells how they were
 * mapped. */
static int lose_protection(struct core *core)
{
	if (core->guessed_count &&
	    rf_source_lose(
		    core->source,
		    "protection of the memory at %lx and of %zu other files: it is taken to be read-only",
		    (unsigned long)core->guessed, core->guessed_count - 1) < 0)
		return core_no_memory(core);
	return 0;
}

int core_take_memory(struct core *core)
{
	const struct core_load *load = core->loads, *loads_end = load + core->load_count;
	const struct core_mapped *mapped = core->mapped, *mapped_end = mapped + core->mapped_count;
	uint64_t at = 0;
	int error = core_take_files(core);

	if (error == 0)
		error = check_stacks(core);
	while (error == 0 && (load < loads_end || mapped < mapped_end)) {
		uint64_t load_start = load < loads_end ? later(load->start, at) : UINT64_MAX;
		uint64_t mapped_start = mapped < mapped_end ? later(mapped->start, at) : UINT64_MAX;
		struct piece piece = { .start = earlier(load_start, mapped_start) };

		piece.load = load_start == piece.start ? load : NULL;
		piece.mapped = mapped_start == piece.start ? mapped : NULL;
		piece.end = earlier(piece.load ? load->end : load_start,
				    piece.mapped ? mapped->end : mapped_start);
		error = add_piece(core, &piece);
		at = piece.end;
		load += piece.load && load->end == at;
		mapped += piece.mapped && mapped->end == at;
	}
	core->source->image.head.mappings = core->source->image.mappings_read;
	if (error == 0)
		error = refuse_missing(core);
	return error < 0 ? error : lose_protection(core);
}
