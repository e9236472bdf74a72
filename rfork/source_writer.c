/* SPDX-License-Identifier: MIT */
/*
 * Writes what a source says about its process, record by record.  Called by undump; the counterpart
 * for a process that captures itself is snapshot.c.
 */
#define _GNU_SOURCE
#include "rfork/source_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rfork/object_writer.h"
#include "rfork/vdso_mark.h"

static int write_one(struct rf_image_writer *writer, enum rf_record_type type, const void *data,
		     size_t bytes)
{
	struct iovec piece = { (void *)data, bytes };

	return rf_image_write(writer, type, &piece, 1);
}

static int write_two(struct rf_image_writer *writer, enum rf_record_type type, const void *head,
		     size_t head_bytes, const void *rest, size_t rest_bytes)
{
	struct iovec pieces[] = { { (void *)head, head_bytes }, { (void *)rest, rest_bytes } };

	return rf_image_write(writer, type, pieces, rest_bytes ? 2 : 1);
}

/* Elements go in records as large as they may be: whole ones of `each` bytes. */
static int write_array(struct rf_image_writer *writer, enum rf_record_type type, const void *array,
		       size_t count, size_t each)
{
	size_t most = RF_RECORD_MAX_BYTES / each;
	int error = 0;

	for (size_t done = 0; done < count && error >= 0;) {
		size_t batch = count - done < most ? count - done : most;

		error = write_one(writer, type, (const char *)array + done * each, batch * each);
		done += batch;
	}
	return error;
}

static int write_head(const struct rf_source *source, struct rf_image_writer *writer)
{
	static const uint8_t none[RF_IMAGE_ID_BYTES];
	struct rf_image_origin origin = source->origin;
	const char *parent = source->parent_path ? source->parent_path : "";
	int error =
		write_one(writer, RF_RECORD_IMAGE, &source->image.head, sizeof(source->image.head));

	origin.path_bytes = (uint32_t)strlen(parent);
	if (error >= 0 && memcmp(origin.id, none, sizeof(none)) != 0)
		error = write_two(writer, RF_RECORD_ORIGIN, &origin, sizeof(origin), parent,
				  origin.path_bytes);
	if (error >= 0 && source->has_facts)
		error = write_one(writer, RF_RECORD_MACHINE, &source->facts, sizeof(source->facts));
	if (error >= 0 && source->image.has_clocks)
		error = write_one(writer, RF_RECORD_CLOCKS, &source->image.clocks,
				  sizeof(source->image.clocks));
	if (error >= 0 && source->image.has_identity)
		error = write_two(writer, RF_RECORD_IDENTITY, &source->image.identity,
				  sizeof(source->image.identity), source->image.connection,
				  source->image.identity.connection_bytes);
	if (error >= 0 && source->image.has_rights)
		error = write_one(writer, RF_RECORD_RIGHTS, &source->image.rights,
				  sizeof(source->image.rights));
	return error;
}

static int write_threads(const struct rf_image *image, struct rf_image_writer *writer)
{
	int error = image->state.known ? rf_attributes_write_process(&image->state, writer) : 0;

	for (uint32_t i = 0; i < image->head.threads && error >= 0; i++)
		error = write_two(writer, RF_RECORD_THREAD, &image->threads[i].image,
				  sizeof(image->threads[i].image), image->threads[i].xsave,
				  image->threads[i].image.xsave_bytes);
	for (uint32_t i = 0; i < image->head.threads && error >= 0; i++)
		if (image->threads[i].attributes)
			error = rf_attributes_write_thread(image->threads[i].attributes, i, writer);
	return error;
}

static int write_vdso_code(const struct rf_image *image, struct rf_image_writer *writer)
{
	const struct rf_image_vdso_area *code =
		rf_vdso_code_area(image->vdso_areas, image->vdso.areas);

	return write_one(writer, RF_RECORD_VDSO_CODE, image->vdso_code,
			 (size_t)(code->end - code->start));
}

static int write_process(const struct rf_image *image, struct rf_image_writer *writer)
{
	struct iovec process[] = {
		{ (void *)&image->process, sizeof(image->process) },
		{ (void *)image->auxv, image->process.auxv_bytes },
		{ (void *)image->cwd, image->process.cwd_bytes },
	};
	int error = rf_image_write(writer, RF_RECORD_PROCESS, process, 3);

	if (error >= 0)
		error = write_one(writer, RF_RECORD_SIGACTIONS, image->sigactions,
				  sizeof(image->sigactions));
	if (error >= 0)
		error = write_threads(image, writer);
	if (error >= 0 && image->timer_count)
		error = write_one(writer, RF_RECORD_TIMERS, image->timers,
				  image->timer_count * sizeof(image->timers[0]));
	if (error >= 0)
		error = write_array(writer, RF_RECORD_PENDING, image->pending, image->pending_count,
				    sizeof(image->pending[0]));
	if (error >= 0 && image->vdso.areas)
		error = write_two(writer, RF_RECORD_VDSO, &image->vdso, sizeof(image->vdso),
				  image->vdso_areas,
				  image->vdso.areas * sizeof(image->vdso_areas[0]));
	if (error >= 0 && image->vdso_code)
		error = write_vdso_code(image, writer);
	return error;
}

static int write_pipe(const struct rf_reader_pipe *pipe, struct rf_image_writer *writer)
{
	return write_two(writer, RF_RECORD_PIPE, &pipe->image, sizeof(pipe->image), pipe->lengths,
			 pipe->image.packets * sizeof(pipe->lengths[0]) + pipe->image.bytes);
}

static int write_files(const struct rf_source *source, struct rf_image_writer *writer)
{
	const struct rf_image *image = &source->image;
	int error = 0;

	for (uint32_t i = 0; i < image->head.files && error >= 0; i++)
		error = write_two(writer, RF_RECORD_FILE, &image->files[i].image,
				  sizeof(image->files[i].image), image->files[i].path,
				  strlen(image->files[i].path));
	for (uint32_t i = 0; i < image->pipe_count && error >= 0; i++)
		error = write_pipe(&image->pipes[i], writer);
	for (uint32_t i = 0; i < image->head.objects && error >= 0; i++)
		error = rf_object_write(&image->objects[i].object, writer);
	for (uint32_t i = 0; i < image->head.descriptors && error >= 0; i++)
		error = write_one(writer, RF_RECORD_DESCRIPTOR, &image->descriptors[i],
				  sizeof(image->descriptors[i]));
	for (uint32_t i = 0; i < image->head.objects && error >= 0; i++)
		error = rf_object_write_watches(&image->objects[i].object, writer);
	if (error >= 0 && source->lock_count)
		error = write_one(writer, RF_RECORD_LOCKS, source->locks,
				  source->lock_count * sizeof(source->locks[0]));
	if (error >= 0 && source->lost)
		error = write_one(writer, RF_RECORD_LOST, source->lost, strlen(source->lost));
	return error;
}

int rf_source_write_layout(const struct rf_source *source, struct rf_image_writer *writer)
{
	const struct rf_image *image = &source->image;
	int error = write_head(source, writer);

	if (error >= 0)
		error = write_process(image, writer);
	if (error >= 0)
		error = write_files(source, writer);
	if (error >= 0)
		error = write_array(writer, RF_RECORD_MAPPING, image->mappings,
				    image->head.mappings, sizeof(image->mappings[0]));
	if (error >= 0)
		error = rf_image_write(writer, RF_RECORD_LAYOUT, NULL, 0);
	return error < 0 ? error
			 : write_array(writer, RF_RECORD_MARKS, image->marks, image->mark_count,
				       sizeof(image->marks[0]));
}

static int write_content(const struct rf_source_content *content, struct rf_image_writer *writer,
			 unsigned char *buffer)
{
	int error = 0;

	for (uint64_t done = 0; done < content->bytes && error >= 0; done += RF_CONTENT_MAX_BYTES) {
		uint64_t left = content->bytes - done;
		size_t bytes = left < RF_CONTENT_MAX_BYTES ? left : RF_CONTENT_MAX_BYTES;
		ssize_t got = pread(content->fd, buffer, bytes, (off_t)(content->at + done));

		if (got != (ssize_t)bytes)
			return got < 0 ? -errno : -EIO;
		error = rf_image_write_content(writer, content->object, content->offset + done,
					       buffer, bytes);
	}
	return error;
}

int rf_source_write_contents(const struct rf_source *source, struct rf_image_writer *writer)
{
	unsigned char *buffer;
	int error = 0;

	if (!source->content_count)
		return 0;
	buffer = malloc(RF_CONTENT_MAX_BYTES);
	if (!buffer)
		return -ENOMEM;
	for (size_t i = 0; i < source->content_count && error >= 0; i++)
		error = write_content(&source->contents[i], writer, buffer);
	free(buffer);
	return error < 0 ? error : 0;
}
