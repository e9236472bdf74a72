/* SPDX-License-Identifier: MIT */
/*
 * Makes the files of the image whose bytes it holds: before memory is mapped, for they may be, and
 * before the image's descriptors, above whose numbers they stay until all is complete.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/restore_contents.h"
#include "rfork/start/start.h"
#include "rfork/sys.h"

#define PIECE_BYTES ((size_t)64 << 10)

static const struct rf_object_state *content_of(const struct rf_start *start, uint32_t index)
{
	const struct rf_object_state *object = &start->file.image.objects[index].object;

	return object->image.kind == RF_OBJECT_CONTENT ? object : NULL;
}

static const char *path_of(const struct rf_start *start, const struct rf_object_state *object)
{
	return object->content.file == RF_IMAGE_NONE
		       ? object->name
		       : start->file.image.files[object->content.file].path;
}

static int fail(struct rf_start *start, const struct rf_object_state *object, int error)
{
	return rf_report(&start->report, -error, "the content of %s: %m", path_of(start, object));
}

/* Above the image's numbers, and above the one made before it. */
static int make(struct rf_start *start, uint32_t index, unsigned *lowest)
{
	const struct rf_object_state *object = content_of(start, index);
	int fd = rf_restore_content_make(object, path_of(start, object));
	int moved = fd < 0 ? fd : (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, *lowest);

	if (fd >= 0)
		rf_sys_close(fd);
	if (moved < 0)
		return fail(start, object, moved);
	start->contents[index] = moved;
	*lowest = (unsigned)moved + 1;
	return 0;
}

static int make_all(struct rf_start *start)
{
	uint32_t count = start->file.image.head.objects;
	unsigned lowest = rf_start_first_free_fd(start);
	int error = 0;

	start->contents = malloc(count * sizeof(*start->contents));
	if (!start->contents)
		return rf_report(&start->report, ENOMEM, "no memory for the contents of files");
	rf_start_raise_limit(start, count);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		start->contents[i] = -1;
		if (content_of(start, i))
			error = make(start, i, &lowest);
	}
	return error;
}

/* Copies bytes from the own file. */
static int fill(const struct rf_start *start, const struct rf_reader_content *piece)
{
	unsigned char buffer[PIECE_BYTES];
	uint64_t done = 0;

	while (done < piece->bytes) {
		size_t left = piece->bytes - done < PIECE_BYTES ? piece->bytes - done : PIECE_BYTES;
		ssize_t got = rf_sys_pread(start->fd, buffer, left, piece->file_offset + done);
		int error;

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got ? (int)got : -EIO;
		error = rf_restore_content_put(start->contents[piece->object], piece->offset + done,
					       buffer, (size_t)got);
		if (error < 0)
			return error;
		done += (uint64_t)got;
	}
	return 0;
}

int rf_start_make_contents(struct rf_start *start)
{
	const struct rf_reader_index *index = &start->file.index;
	bool has_any = false;
	int error;

	for (uint32_t i = 0; i < start->file.image.head.objects; i++)
		has_any |= content_of(start, i) != NULL;
	if (!has_any)
		return 0;
	error = make_all(start);
	for (size_t i = 0; i < index->content_count && error == 0; i++) {
		error = fill(start, &index->contents[i]);
		if (error < 0)
			return fail(start, content_of(start, index->contents[i].object), error);
	}
	return error;
}

int rf_start_open_content(const struct rf_start *start, const struct rf_image_mapping *mapping)
{
	return rf_restore_content_map(start->contents[mapping->file],
				      content_of(start, mapping->file),
				      mapping->flags & RF_MAPPING_SHARED);
}

void rf_start_close_others(const struct rf_start *start, unsigned first)
{
	for (uint32_t i = 0; start->contents && i < start->file.image.head.objects; i++) {
		if (start->contents[i] < 0)
			continue;
		rf_sys_close_between(first, (unsigned)start->contents[i] - 1);
		first = (unsigned)start->contents[i] + 1;
	}
	rf_sys_close_between(first, UINT32_MAX);
}

int rf_start_finish_contents(struct rf_start *start)
{
	for (uint32_t i = 0; start->contents && i < start->file.image.head.objects; i++) {
		int error;

		if (start->contents[i] < 0)
			continue;
		error = rf_restore_content_finish(start->contents[i], content_of(start, i));
		if (error < 0)
			return fail(start, content_of(start, i), error);
		rf_sys_close(start->contents[i]);
	}
	return 0;
}
