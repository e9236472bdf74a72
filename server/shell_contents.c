/* SPDX-License-Identifier: MIT */
/*
 * Files whose bytes travel: decides which of those that have a path the node has anyway, makes the
 * others, and puts their bytes there as they arrive.  Part of rfork-shell.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/restore_contents.h"
#include "rfork/sys.h"
#include "server/shell.h"

static struct rf_object_state *content_of(struct rf_shell *shell, uint32_t index)
{
	struct rf_object_state *object = &shell->image.objects[index].object;

	return object->image.kind == RF_OBJECT_CONTENT ? object : NULL;
}

/* For sentences, and where the file was. */
static const char *path_of(const struct rf_shell *shell, const struct rf_object_state *object)
{
	return object->content.file != RF_IMAGE_NONE ? shell->image.files[object->content.file].path
						     : object->name;
}

static bool is_named(const struct rf_object_state *object)
{
	return object && object->content.file != RF_IMAGE_NONE;
}

/* -- what the node has ------------------------------------------------------------------------- */

/* The descriptor as one of the file; false if it is none of a content that has a path. */
static bool as_file(struct rf_shell *shell, const struct rf_image_descriptor *descriptor,
		    struct rf_image_descriptor *file)
{
	const struct rf_object_state *object = descriptor->kind == RF_DESCRIPTOR_OBJECT &&
							       descriptor->same_as == RF_IMAGE_NONE
						       ? content_of(shell, descriptor->file)
						       : NULL;

	if (!is_named(object))
		return false;
	*file = *descriptor;
	file->kind = RF_DESCRIPTOR_FILE;
	file->file = object->content.file;
	return true;
}

static bool as_mapped_file(struct rf_shell *shell, const struct rf_image_mapping *mapping,
			   struct rf_image_mapping *file)
{
	const struct rf_object_state *object =
		mapping->kind == RF_MAPPING_OBJECT ? content_of(shell, mapping->file) : NULL;

	if (!is_named(object))
		return false;
	*file = *mapping;
	file->kind = RF_MAPPING_FILE;
	file->file = object->content.file;
	return true;
}

/* A file is the node's for all that have it open or mapped, or for none: what is written by one of
 * them the others read. */
static void find_lacking(struct rf_shell *shell, const struct rf_shell_memory *memory)
{
	struct rf_image *image = &shell->image;
	struct rf_image_descriptor file;
	struct rf_image_mapping mapped;

	for (uint32_t i = 0; i < image->head.descriptors; i++) {
		int fd;

		if (!as_file(shell, &image->descriptors[i], &file))
			continue;
		fd = rf_shell_reopen(shell, &file, rf_shell_open_flags(&file));
		if (fd < 0)
			shell->contents[image->descriptors[i].file].is_lacking = true;
		else
			rf_sys_close(fd);
	}
	for (uint32_t i = 0; i < image->head.mappings; i++)
		if (as_mapped_file(shell, &image->mappings[i], &mapped) &&
		    !rf_shell_has_file(shell, memory, &mapped))
			shell->contents[image->mappings[i].file].is_lacking = true;
}

/* What the node has is opened and mapped by its path, as any other file. */
static void take_by_path(struct rf_shell *shell)
{
	struct rf_image *image = &shell->image;
	struct rf_image_descriptor file;
	struct rf_image_mapping mapped;

	for (uint32_t i = 0; i < image->head.descriptors; i++)
		if (as_file(shell, &image->descriptors[i], &file) &&
		    !shell->contents[image->descriptors[i].file].is_lacking)
			image->descriptors[i] = file;
	for (uint32_t i = 0; i < image->head.mappings; i++)
		if (as_mapped_file(shell, &image->mappings[i], &mapped) &&
		    !shell->contents[image->mappings[i].file].is_lacking)
			image->mappings[i] = mapped;
}

/* -- the others -------------------------------------------------------------------------------- */

static const struct rf_image_descriptor *find_descriptor(const struct rf_image *image,
							 uint32_t index)
{
	for (uint32_t i = 0; i < image->head.descriptors; i++)
		if (image->descriptors[i].kind == RF_DESCRIPTOR_OBJECT &&
		    image->descriptors[i].same_as == RF_IMAGE_NONE &&
		    image->descriptors[i].file == index)
			return &image->descriptors[i];
	return NULL;
}

static const struct rf_image_mapping *find_mapping(const struct rf_image *image, uint32_t index)
{
	for (uint32_t i = 0; i < image->head.mappings; i++)
		if (image->mappings[i].kind == RF_MAPPING_OBJECT &&
		    image->mappings[i].file == index)
			return &image->mappings[i];
	return NULL;
}

/* By what the image has it: its first descriptor, or mapping. */
static int refuse(struct rf_shell *shell, uint32_t index, int error)
{
	const char *path = path_of(shell, content_of(shell, index));
	const struct rf_image_descriptor *descriptor = find_descriptor(&shell->image, index);
	const struct rf_image_mapping *mapping = descriptor ? NULL
							    : find_mapping(&shell->image, index);

	if (descriptor)
		return rf_report(&shell->report, -error,
				 "descriptor %u (%s): its content: on the node: %s",
				 descriptor->number, path, strerrordesc_np(-error));
	if (mapping)
		return rf_report(&shell->report, -error,
				 "mapping %lx-%lx (%s): its content: on the node: %s",
				 mapping->start, mapping->end, path, strerrordesc_np(-error));
	return rf_report(&shell->report, -error, "the content of %s: on the node: %s", path,
			 strerrordesc_np(-error));
}

/* Above all numbers that the image has. */
static int move_up(struct rf_shell *shell, int fd)
{
	int moved = (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC,
				    rf_shell_first_free_fd(&shell->image));

	rf_sys_close(fd);
	return moved;
}

/* Where the file cannot be made, the rest of the image is looked at with something in its place. */
static int make_stand_in(struct rf_shell *shell, uint32_t index, int error)
{
	refuse(shell, index, error);
	error = rf_shell_object(shell);
	return error < 0 ? error : (int)rf_syscall(SYS_memfd_create, "", MFD_CLOEXEC);
}

static int make(struct rf_shell *shell, uint32_t index, const struct rf_object_state *object)
{
	int fd = rf_restore_content_make(object, path_of(shell, object));

	if (fd < 0)
		fd = make_stand_in(shell, index, fd);
	if (fd >= 0)
		fd = move_up(shell, fd);
	if (fd < 0)
		return shell->report.error ? fd : refuse(shell, index, fd);
	shell->contents[index].fd = fd;
	return 0;
}

static int put(void *context, uint32_t index, uint64_t offset, const void *data, size_t bytes)
{
	struct rf_shell *shell = context;
	const struct rf_object_state *object = content_of(shell, index);
	int error;

	if (shell->contents[index].fd < 0)
		return rf_report(&shell->report, EBADMSG,
				 "the image is corrupt: the content of %s has not been asked for",
				 path_of(shell, object));
	error = rf_restore_content_put(shell->contents[index].fd, offset, data, bytes);
	return error < 0 ? refuse(shell, index, error) : 0;
}

static int allocate(struct rf_shell *shell)
{
	uint32_t count = shell->image.head.objects;

	shell->contents = malloc(count * sizeof(*shell->contents));
	if (!shell->contents)
		return rf_report(&shell->report, ENOMEM, "no memory to place the image");
	for (uint32_t i = 0; i < count; i++)
		shell->contents[i] = (struct rf_shell_content){ .fd = -1 };
	shell->sink = (struct rf_content_sink){ .put = put, .context = shell };
	shell->reader.contents = &shell->sink;
	return 0;
}

static bool has_contents(struct rf_shell *shell)
{
	for (uint32_t i = 0; i < shell->image.head.objects; i++)
		if (content_of(shell, i))
			return true;
	return false;
}

int rf_shell_make_contents(struct rf_shell *shell, const struct rf_shell_memory *memory,
			   uint32_t *lacking, size_t *count)
{
	int error = has_contents(shell) ? allocate(shell) : 0;

	if (error < 0 || !shell->contents)
		return error;
	find_lacking(shell, memory);
	take_by_path(shell);
	rf_shell_raise_limit(shell, shell->image.head.objects);
	for (uint32_t i = 0; i < shell->image.head.objects && error == 0; i++) {
		const struct rf_object_state *object = content_of(shell, i);

		if (!object || (is_named(object) && !shell->contents[i].is_lacking))
			continue;
		error = make(shell, i, object);
		if (error == 0 && is_named(object))
			lacking[(*count)++] = i | RF_NEED_CONTENT;
	}
	return error;
}

int rf_shell_open_content(const struct rf_shell *shell, const struct rf_image_mapping *mapping)
{
	return rf_restore_content_map(shell->contents[mapping->file].fd,
				      &shell->image.objects[mapping->file].object,
				      mapping->flags & RF_MAPPING_SHARED);
}

int rf_shell_finish_contents(struct rf_shell *shell)
{
	int error = 0;

	for (uint32_t i = 0; shell->contents && i < shell->image.head.objects; i++) {
		int fd = shell->contents[i].fd;

		if (fd < 0)
			continue;
		error = rf_restore_content_finish(fd, content_of(shell, i));
		if (error < 0)
			return refuse(shell, i, error);
		rf_sys_close(fd);
	}
	return 0;
}
