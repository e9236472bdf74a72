/* SPDX-License-Identifier: MIT */
/*
 * What an executable does with the files that the process had open, as the command line says.
 * Called by write_executable.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rfork/fdproof.h"
#include "tools/undump.h"

static bool is_written(const struct rf_image_descriptor *descriptor)
{
	return (descriptor->status_flags & O_ACCMODE) != O_RDONLY;
}

/* Whatever has the path is opened then: no proof is asked for. */
static void take_by_path(struct rf_image_descriptor *descriptor)
{
	descriptor->flags |= RF_DESCRIPTOR_BY_PATH;
	descriptor->flags &= (uint16_t)~RF_DESCRIPTOR_DIGEST;
	memset(descriptor->digest, 0, sizeof(descriptor->digest));
}

/* The new path; NULL if none is given for this one. */
static const char *find_substitute(const struct undump_request *request, const char *path)
{
	size_t length = strlen(path);

	for (size_t i = request->substitute_count; i-- > 0;)
		if (strncmp(request->substitutes[i], path, length) == 0 &&
		    request->substitutes[i][length] == '=')
			return request->substitutes[i] + length + 1;
	return NULL;
}

/* A file of its own: another descriptor or a mapping may go on with the old one. */
static int add_file(struct rf_image *image, struct rf_image_descriptor *descriptor,
		    const char *path)
{
	struct rf_reader_file *grown =
		reallocarray(image->files, image->head.files + 1, sizeof(*grown));
	struct rf_reader_file *file;

	if (!grown)
		return -ENOMEM;
	image->files = grown;
	file = &grown[image->head.files];
	*file = grown[descriptor->file];
	file->path = strdup(path);
	if (!file->path)
		return -ENOMEM;
	file->image.index = image->head.files;
	descriptor->file = image->head.files;
	image->files_read = ++image->head.files;
	return 0;
}

static int substitute(struct rf_source *source, struct rf_image_descriptor *descriptor,
		      const char *path, struct rf_report *report)
{
	if (strlen(path) > RF_IMAGE_MAX_PATH_BYTES || path[0] != '/')
		return rf_report(report, EINVAL, "--substitute: %s is no absolute path", path);
	if (source->image.head.files == RF_IMAGE_MAX_FILES ||
	    add_file(&source->image, descriptor, path) < 0)
		return rf_report(report, ENOMEM, "%s: no memory for its files", source->path);
	take_by_path(descriptor);
	return 0;
}

/* What is only read is known by its bytes, too. */
static void digest(struct rf_image *image, struct rf_image_descriptor *descriptor)
{
	const struct rf_reader_file *file = &image->files[descriptor->file];

	if (!(descriptor->flags & (RF_DESCRIPTOR_DIGEST | RF_DESCRIPTOR_BY_PATH)) &&
	    !is_written(descriptor) && !(descriptor->status_flags & O_PATH) &&
	    S_ISREG(file->image.mode) &&
	    rf_fdproof_digest_path(file->path, &file->image, descriptor->digest) == 0)
		descriptor->flags |= RF_DESCRIPTOR_DIGEST;
}

int undump_settle_files(struct rf_source *source, const struct undump_request *request,
			struct rf_report *report)
{
	for (uint32_t i = 0; i < source->image.head.descriptors; i++) {
		struct rf_image_descriptor *descriptor = &source->image.descriptors[i];
		const char *path;
		int error;

		if (descriptor->kind != RF_DESCRIPTOR_FILE || descriptor->same_as != RF_IMAGE_NONE)
			continue;
		if (request->files != UNDUMP_FILES_SAME)
			take_by_path(descriptor);
		if (request->files == UNDUMP_FILES_APPEND && is_written(descriptor))
			descriptor->flags |= RF_DESCRIPTOR_AT_END;
		path = find_substitute(request, source->image.files[descriptor->file].path);
		error = path ? substitute(source, descriptor, path, report) : 0;
		if (error < 0)
			return error;
		digest(&source->image, descriptor);
	}
	return 0;
}
