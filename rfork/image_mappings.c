/* SPDX-License-Identifier: MIT */
/*
 * Reads the files of an image and what is mapped where.  A part of the reader of images, and
 * under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

#define PAGE_BYTES 4096u
#define KNOWN_PROTECTION (RF_PROTECTION_READ | RF_PROTECTION_WRITE | RF_PROTECTION_EXECUTE)
#define KNOWN_FLAGS                                                                                \
	(RF_MAPPING_SHARED | RF_MAPPING_GROWSDOWN | RF_MAPPING_DIGEST | RF_MAPPING_LOCKED |        \
	 RF_MAPPING_ONFAULT | RF_MAPPING_HUGE)

int rf_record_add_file(struct rf_reader *reader, struct rf_image *image,
		       const struct rf_image_file *fields, const void *path, size_t length)
{
	struct rf_reader_file *file = &image->files[image->files_read];

	file->image = *fields;
	file->path = malloc(length + 1);
	if (!file->path)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	memcpy(file->path, path, length);
	file->path[length] = '\0';
	image->files_read++;
	if (fields->index != image->files_read - 1 || length > RF_IMAGE_MAX_PATH_BYTES ||
	    file->path[0] != '/' || strlen(file->path) != length)
		return rf_record_corrupt(reader, "FILE has a field out of range");
	return 0;
}

int rf_record_take_file(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_file fields;

	if (image->files_read == image->head.files)
		return rf_record_corrupt(reader, "more FILE records than announced");
	if (bytes <= sizeof(fields) || bytes - sizeof(fields) > RF_IMAGE_MAX_PATH_BYTES)
		return rf_record_corrupt(reader, "FILE has another length");
	memcpy(&fields, reader->payload, sizeof(fields));
	return rf_record_add_file(reader, image, &fields, reader->payload + sizeof(fields),
				  bytes - sizeof(fields));
}

static bool overlaps_vdso(const struct rf_image *image, const struct rf_image_mapping *mapping)
{
	for (uint32_t i = 0; i < image->vdso.areas; i++)
		if (mapping->start < image->vdso_areas[i].end &&
		    mapping->end > image->vdso_areas[i].start)
			return true;
	return false;
}

static const char *find_shared_fault(const struct rf_image *image,
				     const struct rf_image_mapping *mapping)
{
	const uint64_t most = RF_IMAGE_MAX_SHARED_BYTES;

	if (mapping->file > image->shared_read)
		return "shared memory is out of order";
	if (mapping->file_offset % PAGE_BYTES || mapping->file_offset > most ||
	    mapping->end - mapping->start > most - mapping->file_offset)
		return "a part of shared memory is out of range";
	return NULL;
}

/* Why a mapping of a content is none; NULL if it is one. */
static const char *find_object_fault(const struct rf_image *image,
				     const struct rf_image_mapping *mapping)
{
	const struct rf_object_state *object =
		mapping->file < image->objects_read ? &image->objects[mapping->file].object : NULL;
	bool is_written = mapping->flags & RF_MAPPING_SHARED &&
			  mapping->protection & RF_PROTECTION_WRITE;

	if (!object || object->image.kind != RF_OBJECT_CONTENT)
		return "a mapping has an unknown object";
	if (mapping->file_offset % PAGE_BYTES ||
	    mapping->file_offset > INT64_MAX - (mapping->end - mapping->start))
		return "a mapping has an unknown offset";
	if (mapping->flags & RF_MAPPING_GROWSDOWN)
		return "a mapped file grows down";
	if (mapping->flags & RF_MAPPING_DIGEST &&
	    (object->content.file == RF_IMAGE_NONE || is_written))
		return "a digest proves nothing";
	return is_written && object->content.seals & F_SEAL_WRITE
		       ? "a sealed file is mapped to be written to"
		       : NULL;
}

/* What the kernel would refuse, or make longer than it is. */
static const char *find_huge_fault(const struct rf_image_mapping *mapping)
{
	uint32_t bits = mapping->flags >> RF_MAPPING_HUGE_SHIFT;
	uint64_t offset = rf_mapping_is_shared_memory(mapping) ? mapping->file_offset : 0;

	if (!bits)
		return NULL;
	if (bits < RF_MAPPING_MIN_HUGE_BITS || bits > RF_MAPPING_MAX_HUGE_BITS ||
	    mapping->kind != RF_MAPPING_ANONYMOUS || mapping->flags & RF_MAPPING_GROWSDOWN)
		return "huge pages that there cannot be";
	return (mapping->start | mapping->end | offset) & (rf_mapping_huge_bytes(mapping) - 1)
		       ? "it is not aligned to its huge pages"
		       : NULL;
}

static const char *find_fault(const struct rf_reader *reader, const struct rf_image *image,
			      const struct rf_image_mapping *mapping, uint64_t last_end)
{
	bool is_file = mapping->kind == RF_MAPPING_FILE;
	bool is_shared_memory = rf_mapping_is_shared_memory(mapping);
	bool has_name = is_file || mapping->kind == RF_MAPPING_CONTENTS;

	if ((mapping->start | mapping->end) % PAGE_BYTES)
		return "a mapping is not page aligned";
	if (mapping->start >= mapping->end || mapping->start < reader->min_address ||
	    mapping->end > reader->max_address)
		return "a mapping is out of range";
	if (mapping->start < last_end || overlaps_vdso(image, mapping))
		return "mappings overlap";
	if (mapping->protection & ~KNOWN_PROTECTION || mapping->flags & ~KNOWN_FLAGS ||
	    mapping->kind > RF_MAPPING_OBJECT)
		return "a mapping has an unknown property";
	if ((mapping->flags & (RF_MAPPING_LOCKED | RF_MAPPING_ONFAULT)) == RF_MAPPING_ONFAULT)
		return "a mapping is to be locked, and is not";
	if (mapping->kind == RF_MAPPING_OBJECT)
		return find_object_fault(image, mapping);
	if ((mapping->flags & RF_MAPPING_DIGEST && !is_file) ||
	    (mapping->flags & RF_MAPPING_SHARED && !is_file && !is_shared_memory))
		return "an anonymous mapping has a property of files";
	if (mapping->flags & RF_MAPPING_GROWSDOWN && (is_file || is_shared_memory))
		return "a mapped file, or shared memory, grows down";
	if (is_shared_memory)
		return find_shared_fault(image, mapping);
	if (has_name ? mapping->file >= image->files_read || mapping->file_offset % PAGE_BYTES ||
			       mapping->file_offset > INT64_MAX - (mapping->end - mapping->start)
		     : mapping->file != RF_IMAGE_NONE)
		return "a mapping has an unknown file or offset";
	return NULL;
}

/* Notes how much of a shared memory is mapped. */
static int add_shared(struct rf_reader *reader, struct rf_image *image,
		      const struct rf_image_mapping *mapping)
{
	uint64_t bytes = mapping->file_offset + (mapping->end - mapping->start);

	if (!image->shared)
		image->shared = calloc(image->head.mappings, sizeof(*image->shared));
	if (!image->shared)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	if (mapping->file == image->shared_read)
		image->shared_read++;
	if (image->shared[mapping->file].bytes < bytes)
		image->shared[mapping->file].bytes = bytes;
	return 0;
}

int rf_record_add_mappings(struct rf_reader *reader, struct rf_image *image,
			   const unsigned char *source, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct rf_image_mapping *mapping = &image->mappings[image->mappings_read];
		uint64_t last_end = image->mappings_read ? mapping[-1].end : 0;
		const char *fault;

		memcpy(mapping, source + i * sizeof(*mapping), sizeof(*mapping));
		fault = find_fault(reader, image, mapping, last_end);
		if (!fault)
			fault = find_huge_fault(mapping);
		if (fault)
			return rf_report(reader->report, EBADMSG,
					 "the image is corrupt: mapping %lx-%lx: %s",
					 mapping->start, mapping->end, fault);
		image->mappings_read++;
		if (rf_mapping_is_shared_memory(mapping)) {
			int error = add_shared(reader, image, mapping);

			if (error < 0)
				return error;
		}
	}
	return 0;
}

int rf_record_take_mappings(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(image->mappings[0]);

	if (bytes == 0 || bytes % sizeof(image->mappings[0]))
		return rf_record_corrupt(reader, "MAPPING has another length");
	if (count > image->head.mappings - image->mappings_read)
		return rf_record_corrupt(reader, "more mappings than announced");
	return rf_record_add_mappings(reader, image, reader->payload, count);
}
