/* SPDX-License-Identifier: MIT */
/*
 * Finds the vdso in a list of mappings.  Called by machine_facts.c, by the ghost for the
 * VDSO record and by the shell before it parks the areas; must not allocate.
 */
#define _GNU_SOURCE
#include "rfork/vdso.h"

#include <errno.h>
#include <string.h>

#include "rfork/digest.h"

#define PAGE_BYTES 4096u

static int add_area(struct rf_vdso *vdso, const struct rf_map *map)
{
	uint32_t pages = (uint32_t)((map->end - map->start) / PAGE_BYTES);

	if (vdso->count == RF_IMAGE_MAX_VDSO_AREAS)
		return -E2BIG;
	vdso->areas[vdso->count++] = (struct rf_image_vdso_area){
		.start = map->start,
		.end = map->end,
		.kind = map->kind == RF_MAP_VDSO ? RF_VDSO_CODE : RF_VDSO_DATA,
	};
	if (map->kind == RF_MAP_VVAR) {
		vdso->data_pages += pages;
		return 0;
	}
	if (vdso->code_pages || !(map->protection & RF_PROTECTION_READ))
		return -EPROTO;
	vdso->code_pages = pages;
	return 0;
}

int rf_vdso_locate(struct rf_vdso *vdso, const struct rf_maps *maps)
{
	memset(vdso, 0, sizeof(*vdso));
	for (size_t i = 0; i < maps->count; i++) {
		const struct rf_map *map = &maps->entries[i];
		int error;

		if (map->kind != RF_MAP_VDSO && map->kind != RF_MAP_VVAR)
			continue;
		error = add_area(vdso, map);
		if (error < 0)
			return error;
	}
	/* Data pages without code serve nobody: a process that unmapped its vdso. */
	if (!vdso->code_pages)
		memset(vdso, 0, sizeof(*vdso));
	return 0;
}

int rf_vdso_find(struct rf_vdso *vdso, const struct rf_maps *maps)
{
	int error = rf_vdso_locate(vdso, maps);

	for (uint32_t i = 0; error == 0 && i < vdso->count; i++) {
		const struct rf_image_vdso_area *area = &vdso->areas[i];

		if (area->kind == RF_VDSO_CODE)
			vdso->digest = rf_digest64((const void *)(uintptr_t)area->start,
						   (size_t)(area->end - area->start));
	}
	return error;
}
