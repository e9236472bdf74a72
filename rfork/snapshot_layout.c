/* SPDX-License-Identifier: MIT */
/*
 * Writes what a snapshot says before its pages: the records up to LAYOUT.
 * Called by the ghost after the capture point: all memory is the arena's, nothing allocates or touches
 * errno, and no page of the image is written.
 */
#define _GNU_SOURCE
#include "rfork/snapshot.h"

#include <errno.h>
#include <string.h>

#include "rfork/fdobject.h"
#include "rfork/vdso.h"

#define PAGE_BYTES 4096u

static int write_one(struct rf_image_writer *writer, enum rf_record_type type, const void *data,
		     size_t bytes)
{
	struct iovec piece = { (void *)data, bytes };

	return rf_image_write(writer, type, &piece, 1);
}

static int write_head(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
		      const struct rf_snapshot_request *request)
{
	struct rf_image_head head = {
		.version = RF_IMAGE_VERSION,
		.architecture = RF_ARCHITECTURE_X86_64,
		.page_bytes = PAGE_BYTES,
		.threads = 1,
		.files = (uint32_t)snapshot->file_count,
		.objects = (uint32_t)request->fds->object_count,
		.descriptors = (uint32_t)request->fds->count,
	};

	memcpy(head.magic, RF_IMAGE_MAGIC, sizeof(head.magic));
	memcpy(head.boot_id, request->boot_id, sizeof(head.boot_id));
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		head.data_pages += snapshot->mappings[i].image.data_pages;
		head.mappings += !snapshot->mappings[i].is_continued;
	}
	return write_one(writer, RF_RECORD_IMAGE, &head, sizeof(head));
}

static int write_origin(struct rf_image_writer *writer, const struct rf_snapshot_rest *rest)
{
	struct iovec origin[] = { { (void *)&rest->origin, sizeof(rest->origin) },
				  { (void *)rest->parent_path, rest->origin.path_bytes } };
	int error = rf_image_write(writer, RF_RECORD_ORIGIN, origin, 2);

	return error < 0 ? error
			 : write_one(writer, RF_RECORD_MACHINE, rest->facts, sizeof(*rest->facts));
}

/* What there is to say about the descriptors besides, and about what is not in the image. */
static int write_rest(struct rf_image_writer *writer, const struct rf_snapshot_rest *rest)
{
	int error = 0;

	if (rest->lock_count)
		error = write_one(writer, RF_RECORD_LOCKS, rest->locks,
				  rest->lock_count * sizeof(rest->locks[0]));
	if (error >= 0 && rest->lost_bytes)
		error = write_one(writer, RF_RECORD_LOST, rest->lost, rest->lost_bytes);
	return error;
}

/* The code is for whoever has another: an image at rest may go to anybody. */
static int write_vdso(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
		      const struct rf_snapshot_request *request)
{
	const struct rf_image_vdso_area *code =
		rf_vdso_code_area(snapshot->vdso_areas, snapshot->vdso.areas);
	struct iovec vdso[] = {
		{ &snapshot->vdso, sizeof(snapshot->vdso) },
		{ snapshot->vdso_areas, snapshot->vdso.areas * sizeof(snapshot->vdso_areas[0]) },
	};
	int error;

	if (!code)
		return 0;
	error = rf_image_write(writer, RF_RECORD_VDSO, vdso, 2);
	if (error < 0 || snapshot->vdso.digest == request->node_vdso ||
	    code->end - code->start > RF_IMAGE_MAX_VDSO_CODE_BYTES)
		return error;
	return write_one(writer, RF_RECORD_VDSO_CODE, snapshot->vdso_code,
			 (size_t)(code->end - code->start));
}

static int write_identity(struct rf_image_writer *writer, const struct rf_snapshot_request *request)
{
	const struct rf_image_identity *identity = &request->identity;
	struct iovec pieces[] = { { (void *)identity, sizeof(*identity) },
				  { (void *)request->connection, identity->connection_bytes } };

	return rf_image_write(writer, RF_RECORD_IDENTITY, pieces, 2);
}

static int write_process(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
			 const struct rf_snapshot_request *request)
{
	struct iovec process[] = {
		{ &snapshot->process, sizeof(snapshot->process) },
		{ (void *)snapshot->auxv, snapshot->process.auxv_bytes },
		{ snapshot->cwd, snapshot->process.cwd_bytes },
	};
	int error =
		write_one(writer, RF_RECORD_CLOCKS, &snapshot->clocks, sizeof(snapshot->clocks));

	if (error == 0)
		error = write_identity(writer, request);
	if (error == 0 && request->limits_rights)
		error = write_one(writer, RF_RECORD_RIGHTS, &request->rights,
				  sizeof(request->rights));
	if (error == 0)
		error = rf_image_write(writer, RF_RECORD_PROCESS, process, 3);
	if (error < 0)
		return error;
	error = write_one(writer, RF_RECORD_SIGACTIONS, snapshot->sigactions,
			  sizeof(snapshot->sigactions));
	if (error < 0)
		return error;
	error = rf_attributes_write_process(&request->attributes->state, writer);
	if (error == 0)
		error = write_one(writer, RF_RECORD_THREAD, &snapshot->thread,
				  sizeof(snapshot->thread));
	if (error == 0)
		error = rf_attributes_write_thread(&request->attributes->thread, 0, writer);
	if (error == 0 && request->timers)
		error = rf_timers_write(request->timers, writer);
	if (error == 0 && request->pending)
		error = rf_pending_write(request->pending, writer);
	return error < 0 ? error : write_vdso(snapshot, writer, request);
}

static int write_files(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
		       const struct rf_snapshot_request *request)
{
	const struct rf_fdtable *fds = request->fds;
	int error = 0;

	for (size_t i = 0; i < snapshot->file_count && error >= 0; i++) {
		struct rf_snapshot_file *file = &snapshot->files[i];
		struct iovec pieces[] = { { &file->image, sizeof(file->image) },
					  { (void *)file->path, strlen(file->path) } };

		error = rf_image_write(writer, RF_RECORD_FILE, pieces, 2);
	}
	if (error >= 0 && request->pipes)
		error = rf_pipes_write(request->pipes, writer, writer->bounce);
	if (error >= 0)
		error = rf_fdobject_write(fds, writer, request->rest != NULL);
	for (size_t i = 0; i < fds->count && error >= 0; i++)
		error = write_one(writer, RF_RECORD_DESCRIPTOR, &fds->entries[i].image,
				  sizeof(fds->entries[i].image));
	return error < 0 ? error : rf_fdobject_write_watches(fds, writer);
}

/* The mapping from *next on, with those that continue it. */
static struct rf_image_mapping join_mappings(const struct rf_snapshot *snapshot, size_t *next)
{
	struct rf_image_mapping joined = snapshot->mappings[(*next)++].image;

	while (*next < snapshot->mapping_count && snapshot->mappings[*next].is_continued) {
		const struct rf_image_mapping *continued = &snapshot->mappings[(*next)++].image;

		joined.end = continued->end;
		joined.data_pages += continued->data_pages;
	}
	return joined;
}

static int write_mappings(struct rf_snapshot *snapshot, struct rf_image_writer *writer)
{
	enum { BATCH = 256 };
	struct rf_image_mapping batch[BATCH];
	size_t done = 0;

	while (done < snapshot->mapping_count) {
		size_t count = 0;
		int error;

		while (count < BATCH && done < snapshot->mapping_count)
			batch[count++] = join_mappings(snapshot, &done);
		error = write_one(writer, RF_RECORD_MAPPING, batch, count * sizeof(batch[0]));
		if (error < 0)
			return error;
	}
	return 0;
}

int rf_snapshot_write_layout(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
			     const struct rf_snapshot_request *request)
{
	int error = write_head(snapshot, writer, request);

	if (error >= 0 && request->rest)
		error = write_origin(writer, request->rest);
	if (error >= 0)
		error = write_process(snapshot, writer, request);
	if (error >= 0)
		error = write_files(snapshot, writer, request);
	if (error >= 0 && request->rest)
		error = write_rest(writer, request->rest);
	if (error >= 0)
		error = write_mappings(snapshot, writer);
	return error < 0 ? error : write_one(writer, RF_RECORD_LAYOUT, NULL, 0);
}
