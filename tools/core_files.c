/* SPDX-License-Identifier: MIT */
/*
 * The memory of a source as pieces of named files, for NT_FILE.  Called by core_writer.c.
 */
#define _GNU_SOURCE
#include "tools/core_files.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A note's size is a u32. */
#define MAX_NOTE_BYTES (1u << 31)

/* -- names ------------------------------------------------------------------------------------ */

/* A name that still leads to the file, in *name, to be freed. */
static int find_name(int fd, const char *source, char **name, struct rf_report *report)
{
	char link[32], path[PATH_MAX];
	struct stat opened, named;
	ssize_t bytes;

	rf_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	bytes = readlink(link, path, sizeof(path) - 1);
	if (bytes < 0)
		return rf_report(report, errno, "%s: no name of its file is known: %m", source);
	path[bytes] = 0;
	if (fstat(fd, &opened) < 0)
		return rf_report(report, errno, "%s: %m", path);
	if (stat(path, &named) < 0 || named.st_dev != opened.st_dev ||
	    named.st_ino != opened.st_ino)
		return rf_report(report, ENOENT, "%s: the file has no name any more", path);
	*name = strdup(path);
	return *name ? 0 : rf_report(report, ENOMEM, "%s: %m", source);
}

static int name_fd(struct rf_core_files *files, const struct rf_source *source, int fd,
		   const char **name, struct rf_report *report)
{
	size_t index = 0;
	int error;

	while (index < files->name_count && source->fds[index] != fd)
		index++;
	if (index == files->name_count)
		return rf_report(report, EBADF, "%s: a segment lies in no file of it",
				 source->path);
	if (!files->names[index]) {
		error = find_name(fd, source->path, &files->names[index], report);
		if (error < 0)
			return error;
	}
	*name = files->names[index];
	return 0;
}

/* -- pieces ----------------------------------------------------------------------------------- */

static int add(struct rf_core_files *files, const struct rf_core_file *file)
{
	struct rf_core_file *last = files->count ? &files->entries[files->count - 1] : NULL;

	if (file->start >= file->end)
		return 0;
	if (last && last->path == file->path && last->end == file->start &&
	    last->offset + (last->end - last->start) == file->offset) {
		last->end = file->end;
		return 0;
	}
	if (files->count == files->capacity) {
		size_t capacity = files->capacity ? 2 * files->capacity : 64;
		struct rf_core_file *entries =
			reallocarray(files->entries, capacity, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		files->entries = entries;
		files->capacity = capacity;
	}
	files->entries[files->count++] = *file;
	files->bytes += 3 * sizeof(uint64_t) + strlen(file->path) + 1;
	return 0;
}

/* What of a FILE mapping no segment holds; the rest of the file's last page reads as zero, whoever
 * asks. */
static int add_mapped(struct rf_core_files *files, const struct rf_source *source,
		      const struct rf_image_mapping *mapping, uint64_t start, uint64_t end)
{
	const struct rf_reader_file *mapped = &source->image.files[mapping->file];
	struct rf_core_file file = {
		.start = start,
		.end = end,
		.offset = mapping->file_offset + (start - mapping->start),
		.path = mapped->path,
	};

	if (file.offset >= mapped->image.size_bytes)
		return 0;
	if (end - start > mapped->image.size_bytes - file.offset)
		file.end = start + (mapped->image.size_bytes - file.offset);
	return add(files, &file);
}

static int add_segment(struct rf_core_files *files, const struct rf_source *source,
		       const struct rf_segment *segment, struct rf_report *report)
{
	struct rf_core_file file = {
		.start = segment->address,
		.end = segment->address + segment->bytes,
		.offset = segment->offset,
	};
	int error;

	if (segment->kind != RF_SEGMENT_DATA)
		return 0;
	error = name_fd(files, source, segment->fd, &file.path, report);
	return error < 0 ? error : add(files, &file);
}

/* Whether a mapping's file is still the one that the process had; tells of another once. */
static bool is_there(struct rf_core_files *files, struct rf_source *source, size_t index)
{
	const char *path = source->image.files[source->image.mappings[index].file].path;

	if (rf_source_open_file(source, index) >= 0)
		return true;
	if (files->missing && files->last_missing != path)
		files->missing(files->context, path);
	files->last_missing = path;
	return false;
}

/* What is between segments. */
static int add_gap(struct rf_core_files *files, struct rf_source *source, size_t index,
		   uint64_t start, uint64_t end)
{
	const struct rf_image_mapping *mapping = &source->image.mappings[index];

	if (start >= end || mapping->kind != RF_MAPPING_FILE || !is_there(files, source, index))
		return 0;
	return add_mapped(files, source, mapping, start, end);
}

static int add_mapping(struct rf_core_files *files, struct rf_source *source, size_t index,
		       struct rf_report *report)
{
	const struct rf_image_mapping *mapping = &source->image.mappings[index];
	size_t next = rf_source_find(source, mapping->start);
	uint64_t at = mapping->start;

	for (; next < source->segment_count && source->segments[next].address < mapping->end;
	     next++) {
		const struct rf_segment *segment = &source->segments[next];
		int error = add_gap(files, source, index, at, segment->address);

		if (error == 0)
			error = add_segment(files, source, segment, report);
		if (error < 0)
			return error;
		at = segment->address + segment->bytes;
	}
	return add_gap(files, source, index, at, mapping->end);
}

int rf_core_files_collect(struct rf_core_files *files, struct rf_source *source,
			  rf_core_missing missing, void *context, struct rf_report *report)
{
	int error = 0;

	*files = (struct rf_core_files){
		.name_count = source->fd_count,
		.missing = missing,
		.context = context,
	};
	files->names = calloc(source->fd_count + 1, sizeof(*files->names));
	if (!files->names)
		return rf_report(report, ENOMEM, "%s: %m", source->path);
	for (size_t i = 0; error == 0 && i < source->image.head.mappings; i++)
		error = add_mapping(files, source, i, report);
	if (error == 0 && files->bytes > MAX_NOTE_BYTES)
		error = -E2BIG;
	return error < 0 ? rf_report(report, -error, "%s: %m", source->path) : 0;
}

void rf_core_files_release(struct rf_core_files *files)
{
	for (size_t i = 0; i < files->name_count; i++)
		free(files->names[i]);
	free(files->names);
	free(files->entries);
	*files = (struct rf_core_files){ 0 };
}
