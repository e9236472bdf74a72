/* SPDX-License-Identifier: MIT */
/*
 * Finds ELF headers in the memory of an image and reads their program headers.  Called by the
 * backtrace; the bytes are hostile.
 */
#define _GNU_SOURCE
#include "tools/objects.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/symbols.h"

#define MAX_PROGRAM_HEADERS 128u
#define MAX_NOTE_BYTES 65536u
#define PAGE_MASK UINT64_C(4095)

/* -- one object ------------------------------------------------------------------------------- */

static bool is_loadable(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
	       (header->e_type == ET_EXEC || header->e_type == ET_DYN) &&
	       header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phnum > 0 &&
	       header->e_phnum <= MAX_PROGRAM_HEADERS;
}

/* Looks for the build-id among notes. */
static void read_notes(struct rf_object *object, struct rf_image_memory *memory, uint64_t address,
		       uint64_t bytes)
{
	uint64_t at = 0;

	while (bytes <= MAX_NOTE_BYTES && at + sizeof(Elf64_Nhdr) <= bytes) {
		Elf64_Nhdr note;
		uint64_t name, description;
		char owner[4];

		if (!rf_image_memory_read(memory, address + at, &note, sizeof(note)))
			return;
		name = at + sizeof(note);
		description = name + ((note.n_namesz + UINT64_C(3)) & ~UINT64_C(3));
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(owner) &&
		    note.n_descsz <= RF_OBJECT_MAX_BUILD_ID &&
		    rf_image_memory_read(memory, address + name, owner, sizeof(owner)) &&
		    memcmp(owner, "GNU", sizeof(owner)) == 0 &&
		    rf_image_memory_read(memory, address + description, object->build_id,
					 note.n_descsz))
			object->build_id_bytes = note.n_descsz;
		at = description + ((note.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
	}
}

static void take_segment(struct rf_object *object, struct rf_image_memory *memory,
			 const Elf64_Phdr *segment)
{
	const uint64_t address = object->bias + segment->p_vaddr;

	switch (segment->p_type) {
	case PT_GNU_EH_FRAME:
		object->frame_header = address;
		break;
	case PT_DYNAMIC:
		object->dynamic = address;
		object->dynamic_bytes = segment->p_memsz;
		break;
	case PT_NOTE:
		read_notes(object, memory, address, segment->p_memsz);
		break;
	case PT_LOAD:
		if (address + segment->p_memsz > object->end &&
		    address + segment->p_memsz > address)
			object->end = address + segment->p_memsz;
		break;
	}
}

/* The header lies in the first segment, at the beginning of the file. */
static bool find_bias(const Elf64_Phdr *segments, size_t count, uint64_t start, uint64_t *bias)
{
	for (size_t i = 0; i < count; i++) {
		if (segments[i].p_type != PT_LOAD)
			continue;
		*bias = start - (segments[i].p_vaddr & ~PAGE_MASK);
		return (segments[i].p_offset & ~PAGE_MASK) == 0;
	}
	return false;
}

/* Whether there is an object at `start`. */
static bool read_object(struct rf_object *object, struct rf_image_memory *memory, uint64_t start)
{
	Elf64_Phdr segments[MAX_PROGRAM_HEADERS];
	Elf64_Ehdr header;

	*object = (struct rf_object){ .start = start, .end = start };
	if (!rf_image_memory_read(memory, start, &header, sizeof(header)) ||
	    !is_loadable(&header) ||
	    !rf_image_memory_read(memory, start + header.e_phoff, segments,
				  header.e_phnum * sizeof(segments[0])) ||
	    !find_bias(segments, header.e_phnum, start, &object->bias))
		return false;
	for (size_t i = 0; i < header.e_phnum; i++)
		take_segment(object, memory, &segments[i]);
	return object->end > start;
}

/* -- all of them ------------------------------------------------------------------------------ */

static const char *name_mapping(const struct rf_image *image, size_t index)
{
	const struct rf_image_mapping *mapping = &image->mappings[index];

	return mapping->kind == RF_MAPPING_ANONYMOUS || mapping->kind == RF_MAPPING_OBJECT
		       ? NULL
		       : image->files[mapping->file].path;
}

static int add(struct rf_objects *objects, const struct rf_object *object)
{
	struct rf_object *entries =
		reallocarray(objects->entries, objects->count + 1, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	objects->entries = entries;
	entries[objects->count++] = *object;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct rf_object *first = a, *second = b;

	return first->start < second->start ? -1 : first->start > second->start;
}

static int add_vdso(struct rf_objects *objects)
{
	struct rf_object object;

	if (!objects->memory->vdso.bytes ||
	    !read_object(&object, objects->memory, objects->memory->vdso.address))
		return 0;
	object.name = "[vdso]";
	object.mapping = SIZE_MAX;
	return add(objects, &object);
}

int rf_objects_find(struct rf_objects *objects, struct rf_image_memory *memory)
{
	const struct rf_image *image = &memory->source->image;
	int error = 0;

	*objects = (struct rf_objects){ .memory = memory };
	for (size_t i = 0; error == 0 && i < image->head.mappings; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];
		struct rf_object object;

		if (!read_object(&object, memory, mapping->start))
			continue;
		object.name = name_mapping(image, i);
		if (!object.name)
			object.name = "[memory]";
		object.mapping = i;
		error = add(objects, &object);
	}
	if (error == 0)
		error = add_vdso(objects);
	qsort(objects->entries, objects->count, sizeof(*objects->entries), compare);
	if (error < 0)
		rf_objects_release(objects);
	else
		rf_objects_find_names(objects);
	return error;
}

void rf_objects_release(struct rf_objects *objects)
{
	for (size_t i = 0; i < objects->count; i++) {
		rf_symbols_free(objects->entries[i].symbols);
		free(objects->entries[i].own_name);
	}
	free(objects->entries);
	*objects = (struct rf_objects){ 0 };
}

struct rf_object *rf_objects_at(struct rf_objects *objects, uint64_t address)
{
	size_t low = 0;
	size_t high = objects->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (objects->entries[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address >= objects->entries[low - 1].end)
		return NULL;
	return &objects->entries[low - 1];
}

const char *rf_objects_name(struct rf_objects *objects, uint64_t address)
{
	const struct rf_object *object = rf_objects_at(objects, address);
	const struct rf_image *image = &objects->memory->source->image;
	size_t mapping;
	const char *name;

	if (object)
		return object->name;
	mapping = rf_image_find_mapping(image, address, address + 1);
	name = mapping == SIZE_MAX ? NULL : name_mapping(image, mapping);
	return name ? name : "";
}
