/* SPDX-License-Identifier: MIT */
/*
 * The mark itself.  Who reads one reads it from a process's memory, where anything may be.
 */
#define _GNU_SOURCE
#include "rfork/vdso_mark.h"

#include <elf.h>
#include <string.h>

#include "rfork/digest.h"

#define PAGE_BYTES 4096u
#define PAGE_SHIFT 12
#define MAGIC "RFORKVDS"

/* In the ELF header's padding: a tag, and the number of the mark's page.  Nobody reads it: the
 * gABI says so, and neither the kernel, nor the C library, nor a debugger does. */
#define PADDING (EI_ABIVERSION + 1)
#define TAG 0x72
#define PAGE_NUMBER_BYTES 6

_Static_assert(PADDING + 1 + PAGE_NUMBER_BYTES == EI_NIDENT, "all of the padding");

static uint64_t digest_of(const struct rf_vdso_mark *mark)
{
	const size_t head = offsetof(struct rf_vdso_mark, start);

	return rf_digest64((const char *)mark + head, sizeof(*mark) - head);
}

void rf_vdso_mark_seal(struct rf_vdso_mark *mark)
{
	memcpy(mark->magic, MAGIC, sizeof(mark->magic));
	mark->digest = digest_of(mark);
}

static bool is_range(uint64_t start, uint64_t end)
{
	return start < end && (start | end) % PAGE_BYTES == 0;
}

/* As an image may have them; and none is where the mark is. */
static bool are_areas(const struct rf_vdso_mark *mark)
{
	uint64_t last = 0;
	unsigned codes = 0;

	for (uint32_t i = 0; i < mark->vdso.areas; i++) {
		const struct rf_image_vdso_area *area = &mark->areas[i];

		if (!is_range(area->start, area->end) || area->start < last ||
		    (area->start < mark->end && area->end > mark->start) ||
		    (area->kind != RF_VDSO_CODE && area->kind != RF_VDSO_DATA))
			return false;
		codes += area->kind == RF_VDSO_CODE;
		last = area->end;
	}
	return codes == 1;
}

/* The digest says nothing of who has made it: all that others count on is looked at. */
bool rf_vdso_mark_holds(const struct rf_vdso_mark *mark, uint64_t address)
{
	const struct rf_image_vdso_area *code;

	if (memcmp(mark->magic, MAGIC, sizeof(mark->magic)) != 0 ||
	    mark->digest != digest_of(mark) || mark->start != address ||
	    !is_range(mark->start, mark->end) || mark->vdso.areas > RF_IMAGE_MAX_VDSO_AREAS ||
	    !are_areas(mark))
		return false;
	code = rf_vdso_code_area(mark->areas, mark->vdso.areas);
	return mark->code % PAGE_BYTES == 0 && mark->code > mark->start && mark->code < mark->end &&
	       mark->end - mark->code >= code->end - code->start;
}

void rf_vdso_mark_point(unsigned char *code, uint64_t mark)
{
	uint64_t page = mark >> PAGE_SHIFT;

	code[PADDING] = TAG;
	memcpy(code + PADDING + 1, &page, PAGE_NUMBER_BYTES);
}

uint64_t rf_vdso_mark_follow(const unsigned char *code)
{
	uint64_t page = 0;

	if (memcmp(code, ELFMAG, SELFMAG) != 0 || code[PADDING] != TAG)
		return 0;
	memcpy(&page, code + PADDING + 1, PAGE_NUMBER_BYTES);
	return page << PAGE_SHIFT;
}

/* -- of a process ---------------------------------------------------------------------------- */

/* Whether what is mapped of a range is the process's own memory, which nobody has written to since
 * it was restored. */
static bool is_left_alone(const struct rf_maps *maps, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct rf_map *map = &maps->entries[i];

		if (map->end > start && map->start < end &&
		    (map->kind != RF_MAP_ANONYMOUS || map->shared ||
		     map->protection & RF_PROTECTION_WRITE))
			return false;
	}
	return true;
}

static bool is_readable(const struct rf_maps *maps, uint64_t address, uint64_t bytes)
{
	for (size_t i = 0; i < maps->count; i++) {
		const struct rf_map *map = &maps->entries[i];

		if (map->start <= address && address < map->end)
			return map->end - address >= bytes && map->kind == RF_MAP_ANONYMOUS &&
			       map->protection & RF_PROTECTION_READ;
	}
	return false;
}

static bool read_memory(const struct rf_maps *maps, rf_vdso_read read, void *context,
			uint64_t address, void *to, size_t bytes)
{
	return is_readable(maps, address, bytes) && read(context, address, to, bytes) == 0;
}

static uint64_t find_vdso(const unsigned char *auxv, size_t bytes)
{
	Elf64_auxv_t entry;

	for (size_t i = 0; i + sizeof(entry) <= bytes; i += sizeof(entry)) {
		memcpy(&entry, auxv + i, sizeof(entry));
		if (entry.a_type == AT_SYSINFO_EHDR)
			return entry.a_un.a_val;
	}
	return 0;
}

bool rf_vdso_mark_find(struct rf_vdso_mark *mark, const struct rf_maps *maps, const void *auxv,
		       size_t auxv_bytes, rf_vdso_read read, void *context)
{
	uint64_t vdso = find_vdso(auxv, auxv_bytes), address;
	const struct rf_image_vdso_area *code;
	unsigned char header[EI_NIDENT];

	if (!read_memory(maps, read, context, vdso, header, sizeof(header)))
		return false;
	address = rf_vdso_mark_follow(header);
	if (!address || !read_memory(maps, read, context, address, mark, sizeof(*mark)) ||
	    !rf_vdso_mark_holds(mark, address))
		return false;
	code = rf_vdso_code_area(mark->areas, mark->vdso.areas);
	if (code->start != vdso || !is_readable(maps, mark->code, code->end - code->start) ||
	    !is_left_alone(maps, mark->start, mark->end))
		return false;
	for (uint32_t i = 0; i < mark->vdso.areas; i++)
		if (!is_left_alone(maps, mark->areas[i].start, mark->areas[i].end))
			return false;
	return true;
}

static int read_own(void *context, uint64_t address, void *to, size_t bytes)
{
	(void)context;
	memcpy(to, (const void *)(uintptr_t)address, bytes);
	return 0;
}

bool rf_vdso_mark_find_own(struct rf_vdso_mark *mark, const struct rf_maps *maps, const void *auxv,
			   size_t auxv_bytes)
{
	const struct rf_image_vdso_area *code;

	if (!rf_vdso_mark_find(mark, maps, auxv, auxv_bytes, read_own, NULL))
		return false;
	code = rf_vdso_code_area(mark->areas, mark->vdso.areas);
	return rf_digest64((const void *)(uintptr_t)mark->code,
			   (size_t)(code->end - code->start)) == mark->vdso.digest;
}

bool rf_vdso_mark_range(const struct rf_vdso_mark *mark, uint32_t range, uint64_t *start,
			uint64_t *end)
{
	if (range > mark->vdso.areas)
		return false;
	*start = range < mark->vdso.areas ? mark->areas[range].start : mark->start;
	*end = range < mark->vdso.areas ? mark->areas[range].end : mark->end;
	return true;
}

const struct rf_image_vdso_area *rf_vdso_code_area(const struct rf_image_vdso_area *areas,
						   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (areas[i].kind == RF_VDSO_CODE)
			return &areas[i];
	return NULL;
}
