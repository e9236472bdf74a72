/* SPDX-License-Identifier: MIT */
/*
 * Reads from the records of the own executable what files its memory had been mapped from.  They
 * were checked by whatever restarted the process from them; here they are read as far as they
 * make sense.
 */
#define _GNU_SOURCE
#include "rfork/own_image.h"

#include <string.h>

#include "rfork/map_proof.h"
#include "rfork/report.h"
#include "rfork/statefile.h"
#include "rfork/sys.h"

struct reading {
	struct rf_own_image *own;
	struct rf_arena *arena;
	int fd;
	struct rf_image_head head;
	uint64_t offset; /* of the next record */
};

static bool read_at(const struct reading *reading, void *buffer, size_t bytes, uint64_t offset)
{
	return rf_sys_pread(reading->fd, buffer, bytes, offset) == (ssize_t)bytes;
}

static bool take_head(struct reading *reading, uint64_t offset)
{
	struct rf_own_image *own = reading->own;

	if (!read_at(reading, &reading->head, sizeof(reading->head), offset) ||
	    reading->head.files > RF_IMAGE_MAX_FILES ||
	    reading->head.mappings > RF_IMAGE_MAX_MAPPINGS)
		return false;
	own->files = rf_arena_take(reading->arena, reading->head.files * sizeof(*own->files));
	own->mappings =
		rf_arena_take(reading->arena, reading->head.mappings * sizeof(*own->mappings));
	return own->files && own->mappings;
}

static bool take_file(struct reading *reading, uint64_t offset, uint32_t bytes)
{
	struct rf_own_image *own = reading->own;
	struct rf_own_file *file;
	size_t path_bytes;

	if (own->file_count == reading->head.files || bytes <= sizeof(file->image) ||
	    bytes - sizeof(file->image) > RF_IMAGE_MAX_PATH_BYTES)
		return false;
	file = &own->files[own->file_count++];
	path_bytes = bytes - sizeof(file->image);
	file->path = rf_arena_take(reading->arena, path_bytes + 1);
	if (!file->path)
		return false;
	file->path[path_bytes] = '\0';
	return read_at(reading, &file->image, sizeof(file->image), offset) &&
	       read_at(reading, file->path, path_bytes, offset + sizeof(file->image));
}

static bool take_mapping(struct rf_own_image *own, const struct rf_image_mapping *mapping)
{
	if (mapping->kind != RF_MAPPING_CONTENTS)
		return true;
	if (mapping->file >= own->file_count)
		return false;
	own->mappings[own->mapping_count++] = *mapping;
	return true;
}

static bool take_mappings(struct reading *reading, uint64_t offset, uint32_t bytes)
{
	struct rf_image_mapping mapping;
	bool is_good = reading->own->mapping_count + bytes / sizeof(mapping) <=
		       reading->head.mappings;

	for (uint32_t at = 0; at < bytes && is_good; at += sizeof(mapping))
		is_good = read_at(reading, &mapping, sizeof(mapping), offset + at) &&
			  take_mapping(reading->own, &mapping);
	return is_good;
}

/* Takes the next record; false when there are no more, or none that makes sense. */
static bool take_record(struct reading *reading)
{
	struct rf_record_header header;
	uint64_t payload = reading->offset + sizeof(header);

	if (!read_at(reading, &header, sizeof(header), reading->offset) ||
	    header.length_bytes > RF_RECORD_MAX_BYTES)
		return false;
	reading->offset = payload + header.length_bytes;
	switch (header.type) {
	case RF_RECORD_IMAGE:
		return take_head(reading, payload);
	case RF_RECORD_FILE:
		return take_file(reading, payload, header.length_bytes);
	case RF_RECORD_MAPPING:
		return take_mappings(reading, payload, header.length_bytes);
	}
	return header.type != RF_RECORD_LAYOUT;
}

static void find(struct rf_own_image *own, const char *path, struct rf_arena *arena)
{
	struct reading reading = { .own = own, .arena = arena };
	struct rf_report unheard = { 0 };
	struct rf_statefile_note note;
	struct rf_map shown;

	memset(own, 0, sizeof(*own));
	reading.fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);
	if (reading.fd < 0)
		return;
	if (rf_statefile_find_note(reading.fd, path, &note, NULL, &unheard) == 0 &&
	    rf_map_probe(reading.fd, &shown)) {
		own->device = shown.device;
		own->inode = shown.inode;
		reading.offset = note.records_offset;
		while (arena && take_record(&reading))
			;
	}
	rf_sys_close(reading.fd);
}

void rf_own_image_find(struct rf_own_image *own, struct rf_arena *arena)
{
	find(own, "/proc/self/exe", arena);
}

void rf_own_image_find_of(struct rf_own_image *own, pid_t pid, struct rf_arena *arena)
{
	char path[32];

	rf_format(path, sizeof(path), "/proc/%d/exe", (int)pid);
	find(own, path, arena);
}

bool rf_own_image_has(const struct rf_own_image *own, const struct rf_map *map)
{
	return map->kind == RF_MAP_FILE && !map->shared && own->inode && map->inode == own->inode &&
	       map->device == own->device;
}

const struct rf_image_mapping *rf_own_image_named(const struct rf_own_image *own, uint64_t address)
{
	for (size_t i = 0; i < own->mapping_count; i++)
		if (own->mappings[i].end > address)
			return &own->mappings[i];
	return NULL;
}
