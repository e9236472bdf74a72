/* SPDX-License-Identifier: MIT */
/*
 * What the program knows of itself: its file, and what is mapped before anything of the image
 * is.  Works without /proc: the own mappings are few, and those that nobody names are found by
 * asking for their pages.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/start/runtime.h"
#include "rfork/start/start.h"
#include "rfork/sys.h"

#define PAGE_BYTES UINT64_C(4096)
#define MAPS_BUFFER_BYTES ((size_t)64 << 10)
#define MAX_OWN_MAPS 16u

/* In the mapped part of the file. */
extern const struct rf_statefile_note rf_start_note;

/* -- the file ------------------------------------------------------------------------------- */

/* Another file may have taken the path meanwhile, if it was opened by that. */
static int check_self(struct rf_start *start, const char *path)
{
	int error =
		rf_statefile_find_note(start->fd, path, &start->file.note, NULL, &start->report);

	if (error == 0 && memcmp(&start->file.note, &rf_start_note, sizeof(rf_start_note)) != 0)
		error = rf_report(&start->report, ESTALE,
				  "%s: the file was replaced while it was started", path);
	return error;
}

int rf_start_open_self(struct rf_start *start)
{
	const char *path = start->arguments.file ? start->arguments.file : "the executable";

	/* by its path only where that may be another's by now */
	start->fd = rf_sys_open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (start->fd < 0 && start->arguments.file)
		start->fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);
	/* a standard stream that is closed stays so */
	start->fd = rf_io_above_stdio(start->fd);
	if (start->fd < 0)
		return rf_report(&start->report, -start->fd, "%s cannot be read: %m", path);
	return check_self(start, path);
}

/* -- mappings ---------------------------------------------------------------------------------- */

static bool is_mapped(uint64_t address)
{
	unsigned char resident;

	return rf_syscall(SYS_mincore, address, PAGE_BYTES, &resident) == 0;
}

/* The mapped pages around an address, whatever they are. */
static void find_extent(uint64_t address, uint64_t *from, uint64_t *end)
{
	*from = *end = address & ~(PAGE_BYTES - 1);
	while (is_mapped(*end))
		*end += PAGE_BYTES;
	while (*from && is_mapped(*from - PAGE_BYTES))
		*from -= PAGE_BYTES;
}

/* Keeps the list ascending. */
static void add_map(struct rf_maps *maps, uint64_t from, uint64_t end, enum rf_map_kind kind)
{
	size_t at = maps->count;

	if (from >= end || maps->count == MAX_OWN_MAPS)
		return;
	for (; at > 0 && maps->entries[at - 1].start > from; at--)
		maps->entries[at] = maps->entries[at - 1];
	maps->entries[at] = (struct rf_map){ .start = from,
					     .end = end,
					     .protection = RF_PROTECTION_READ,
					     .kind = kind,
					     .path = "" };
	maps->count++;
}

static void add_program(struct rf_maps *maps, const struct rf_start_arguments *arguments)
{
	const Elf64_Phdr *phdr = (const Elf64_Phdr *)arguments->phdr;

	for (uint64_t i = 0; i < arguments->phdrs; i++)
		if (phdr[i].p_type == PT_LOAD)
			add_map(maps, phdr[i].p_vaddr & ~(PAGE_BYTES - 1),
				(phdr[i].p_vaddr + phdr[i].p_memsz + PAGE_BYTES - 1) &
					~(PAGE_BYTES - 1),
				RF_MAP_FILE);
}

/* The data pages lie before the code. */
static void add_vdso(struct rf_maps *maps, uint64_t code)
{
	uint64_t from, end;

	if (!code)
		return;
	find_extent(code, &from, &end);
	add_map(maps, from, code, RF_MAP_VVAR);
	add_map(maps, code, end, RF_MAP_VDSO);
}

static int probe_maps(struct rf_start *start)
{
	struct rf_maps *maps = &start->maps;
	uint64_t from, end;

	maps->count = 0;
	add_program(maps, &start->arguments);
	add_map(maps, start->memory_start, start->memory_start + start->memory_bytes,
		RF_MAP_ANONYMOUS);
	find_extent((uintptr_t)start->arguments.argv, &from, &end);
	add_map(maps, from, end, RF_MAP_STACK);
	add_vdso(maps, start->arguments.vdso);
	return 0;
}

/* Where pages were counted only, the image says how many areas they are: of the same build
 * they are the same. */
static void divide_vdso(struct rf_vdso *vdso, const struct rf_image *image)
{
	uint32_t areas = image->vdso.areas;
	uint64_t from = vdso->areas[0].start;
	uint64_t bytes;

	if (!areas || !vdso->count || image->vdso.digest != vdso->digest)
		return;
	bytes = image->vdso_areas[areas - 1].end - image->vdso_areas[0].start;
	if (bytes != vdso->areas[vdso->count - 1].end - from)
		return;
	for (uint32_t i = 0; i < areas; i++) {
		const struct rf_image_vdso_area *area = &image->vdso_areas[i];

		vdso->areas[i] = *area;
		vdso->areas[i].start = area->start - image->vdso_areas[0].start + from;
		vdso->areas[i].end = area->end - image->vdso_areas[0].start + from;
	}
	vdso->count = areas;
}

int rf_start_find_maps(struct rf_start *start)
{
	void *buffer = malloc(MAPS_BUFFER_BYTES);
	int error = buffer ? rf_maps_read(&start->maps, buffer, MAPS_BUFFER_BYTES) : -ENOMEM;
	bool is_probed = error < 0 && buffer;

	if (is_probed) {
		start->maps.entries = buffer;
		error = probe_maps(start);
	}
	if (error == 0)
		error = rf_vdso_find(&start->vdso, &start->maps);
	if (error == 0 && is_probed)
		divide_vdso(&start->vdso, &start->file.image);
	return error < 0 ? rf_report(&start->report, -error, "the mappings of this program: %m")
			 : 0;
}
