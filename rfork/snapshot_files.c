/* SPDX-License-Identifier: MIT */
/*
 * The table of files that an image names, each once, and digests of what is mapped of them.
 * Called by the ghost after the capture point: all memory is the arena's, nothing allocates or touches
 * errno, and no page of the image is written.
 */
#define _GNU_SOURCE
#include "rfork/snapshot_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/digest_cache.h"
#include "rfork/fdcontent.h"
#include "rfork/fdobject.h"
#include "rfork/file_identity.h"
#include "rfork/io.h"
#include "rfork/sys.h"

static bool is_file(const void *context, uint32_t number, const struct rf_image_file *identity,
		    const char *path)
{
	const struct rf_snapshot *snapshot = context;
	const struct rf_snapshot_file *file = &snapshot->files[number];

	return file->image.inode == identity->inode && file->image.device == identity->device &&
	       strcmp(file->path, path) == 0;
}

uint32_t rf_snapshot_intern_file(struct rf_snapshot *snapshot, const struct rf_image_file *identity,
				 const char *path)
{
	uint32_t *slot =
		rf_file_index_find(&snapshot->file_index, identity, path, is_file, snapshot);
	struct rf_snapshot_file *file = &snapshot->files[snapshot->file_count];

	if (*slot)
		return *slot - 1;
	if (snapshot->file_count == snapshot->file_capacity)
		return RF_IMAGE_NONE;
	file->image = *identity;
	file->image.index = (uint32_t)snapshot->file_count;
	file->path = path;
	*slot = (uint32_t)++snapshot->file_count;
	return *slot - 1;
}

bool rf_snapshot_make_file_table(struct rf_snapshot *snapshot, size_t capacity)
{
	void *slots = rf_snapshot_take(snapshot, rf_file_index_bytes(capacity));

	snapshot->file_capacity = capacity;
	snapshot->files = rf_snapshot_take(snapshot, (capacity + 1) * sizeof(*snapshot->files));
	if (!slots || !snapshot->files)
		return false;
	rf_file_index_init(&snapshot->file_index, slots, capacity);
	return true;
}

int rf_snapshot_digest_mapping(struct rf_image_mapping *mapping, const struct rf_image_file *file,
			       const char *path, const struct rf_digest_cache *cache)
{
	uint64_t bytes =
		rf_file_visible_bytes(file, mapping->file_offset, mapping->end - mapping->start);
	int error;
	int fd;

	if (!cache ||
	    !rf_digest_cache_find(cache, file, mapping->file_offset, bytes, mapping->digest)) {
		fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return fd;
		error = rf_digest_file(fd, mapping->file_offset, bytes, RF_NO_DEADLINE,
				       mapping->digest);
		rf_sys_close(fd);
		if (error < 0)
			return error;
	}
	mapping->flags |= RF_MAPPING_DIGEST;
	return 0;
}

/* The files that the node may have instead of their contents. */
static int name_content_files(struct rf_snapshot *snapshot, struct rf_fdtable *fds,
			      struct rf_report *report)
{
	for (size_t i = 0; i < fds->object_count; i++) {
		struct rf_fdobject *object = &fds->objects[i];

		if (!object->content || !object->content->has_path)
			continue;
		object->object.content.file =
			rf_snapshot_intern_file(snapshot, &object->content->identity, object->path);
		if (object->object.content.file == RF_IMAGE_NONE)
			return rf_report(report, ENOTSUP, "too many files");
	}
	return 0;
}

static int name_descriptor_files(struct rf_snapshot *snapshot, const struct rf_fdtable *fds,
				 struct rf_report *report)
{
	for (size_t i = 0; i < fds->count; i++) {
		struct rf_fd *fd = &fds->entries[i];

		if (fd->image.kind != RF_DESCRIPTOR_FILE || fd->image.same_as != RF_IMAGE_NONE)
			continue;
		fd->image.file = rf_snapshot_intern_file(snapshot, &fd->identity, fd->path);
		if (fd->image.file == RF_IMAGE_NONE)
			return rf_report(report, ENOTSUP, "too many files");
	}
	return 0;
}

int rf_snapshot_name_files(struct rf_snapshot *snapshot, struct rf_fdtable *fds,
			   struct rf_report *report)
{
	int error = name_descriptor_files(snapshot, fds, report);

	return error < 0 ? error : name_content_files(snapshot, fds, report);
}

/* The file that a mapping leads to. */
struct mapped {
	const struct rf_image_file *image;
	const char *path;
};

/* False if it has no path. */
static bool find_mapped(const struct rf_snapshot *snapshot, const struct rf_image_mapping *mapping,
			const struct rf_fdtable *fds, struct mapped *file)
{
	const struct rf_fdcontent *content =
		mapping->kind == RF_MAPPING_OBJECT ? fds->objects[mapping->file].content : NULL;

	if (content && content->has_path)
		*file = (struct mapped){ &content->identity, content->path };
	else if (mapping->kind == RF_MAPPING_FILE)
		*file = (struct mapped){ &snapshot->files[mapping->file].image,
					 snapshot->files[mapping->file].path };
	else
		return false;
	return true;
}

/* Without a digest the node finds the file lacking, and the contents go. */
int rf_snapshot_digest_files(struct rf_snapshot *snapshot,
			     const struct rf_snapshot_request *request, struct rf_report *report)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		struct rf_image_mapping *mapping = &snapshot->mappings[i].image;
		struct mapped file;

		if (mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE)
			continue;
		if (!find_mapped(snapshot, mapping, request->fds, &file))
			continue;
		if (rf_snapshot_digest_mapping(mapping, file.image, file.path, request->digests) ==
		    -ENOMEM)
			return rf_report(report, ENOMEM, "%s: %m", file.path);
	}
	return 0;
}
