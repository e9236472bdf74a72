/* SPDX-License-Identifier: MIT */
/*
 * Names of objects from the dynamic linker's own list in the memory of an image (struct r_debug,
 * <link.h>): of a program that was restarted, /proc knows only the executable that it came from.
 * Called by objects.c; the bytes are hostile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/objects.h"

#define MAX_DYNAMIC_ENTRIES 1024u
#define MAX_LINKS 4096u

/* Where the program's own dynamic section says that the list is; 0 = nowhere. */
static uint64_t find_debug(struct rf_image_memory *memory, const struct rf_object *object)
{
	for (uint64_t i = 0; i < MAX_DYNAMIC_ENTRIES; i++) {
		Elf64_Dyn entry;

		if ((i + 1) * sizeof(entry) > object->dynamic_bytes ||
		    !rf_image_memory_read(memory, object->dynamic + i * sizeof(entry), &entry,
					  sizeof(entry)) ||
		    entry.d_tag == DT_NULL)
			return 0;
		if (entry.d_tag == DT_DEBUG)
			return entry.d_un.d_ptr;
	}
	return 0;
}

/* Whether there is a string at an address that fits into `path`. */
static bool read_string(struct rf_image_memory *memory, uint64_t address, char path[PATH_MAX])
{
	for (size_t i = 0; i < PATH_MAX; i++) {
		if (!rf_image_memory_read(memory, address + i, path + i, 1))
			return false;
		if (!path[i])
			return true;
	}
	return false;
}

/* What the program was started by: the kernel's word, from the working directory, if that is
 * still the one of its start. */
static char *find_program(struct rf_image_memory *memory)
{
	const struct rf_image *image = &memory->source->image;
	char path[PATH_MAX];
	char *whole;

	for (uint32_t i = 0; i + sizeof(Elf64_auxv_t) <= image->process.auxv_bytes;
	     i += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t entry;

		memcpy(&entry, image->auxv + i, sizeof(entry));
		if (entry.a_type != AT_EXECFN || !read_string(memory, entry.a_un.a_val, path))
			continue;
		if (*path == '/')
			return strdup(path);
		if (asprintf(&whole, "%s/%s", image->cwd,
			     strncmp(path, "./", 2) == 0 ? path + 2 : path) < 0)
			return NULL;
		return whole;
	}
	return NULL;
}

/* The path that a link names, to be freed; NULL if there is none, or no memory. */
static char *find_path(struct rf_image_memory *memory, const struct link_map *link)
{
	char path[PATH_MAX];

	if (!read_string(memory, (uint64_t)(uintptr_t)link->l_name, path))
		return NULL;
	if (!*path)
		return find_program(memory);
	return *path == '/' ? strdup(path) : NULL;
}

/* Only what is not the beginning of a file of its own has a name that is not its own. */
static bool needs_name(const struct rf_objects *objects, const struct rf_object *object)
{
	const struct rf_image_mapping *mapping;

	if (object->mapping == SIZE_MAX || object->own_name)
		return false;
	mapping = &objects->memory->source->image.mappings[object->mapping];
	return mapping->kind == RF_MAPPING_ANONYMOUS || mapping->file_offset != 0;
}

static void name_object(struct rf_objects *objects, const struct link_map *link)
{
	for (size_t i = 0; i < objects->count; i++) {
		struct rf_object *object = &objects->entries[i];

		if (!object->dynamic || object->dynamic != (uint64_t)(uintptr_t)link->l_ld ||
		    !needs_name(objects, object))
			continue;
		object->own_name = find_path(objects->memory, link);
		if (object->own_name)
			object->name = object->own_name;
	}
}

static void name_all(struct rf_objects *objects, uint64_t debug)
{
	struct r_debug list;
	struct link_map link;
	uint64_t at;

	if (!rf_image_memory_read(objects->memory, debug, &list, sizeof(list)))
		return;
	at = (uint64_t)(uintptr_t)list.r_map;
	for (unsigned i = 0; at && i < MAX_LINKS; i++) {
		if (!rf_image_memory_read(objects->memory, at, &link, sizeof(link)))
			return;
		name_object(objects, &link);
		at = (uint64_t)(uintptr_t)link.l_next;
	}
}

void rf_objects_find_names(struct rf_objects *objects)
{
	bool is_needed = false;

	for (size_t i = 0; i < objects->count; i++)
		is_needed = is_needed || needs_name(objects, &objects->entries[i]);
	for (size_t i = 0; is_needed && i < objects->count; i++) {
		uint64_t debug = find_debug(objects->memory, &objects->entries[i]);

		if (debug) {
			name_all(objects, debug);
			return;
		}
	}
}
