/* SPDX-License-Identifier: MIT */
/*
 * What all sources have in common: looking up segments, reading memory through them, and through
 * the files that a process had mapped.  Called by undump and by whatever restarts an image.
 */
#define _GNU_SOURCE
#include "rfork/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/file_identity.h"
#include "rfork/io.h"

void rf_source_init(struct rf_source *source)
{
	*source = (struct rf_source){ 0 };
}

void rf_source_let_go(struct rf_source *source)
{
	if (source->hold)
		source->held_ns = source->hold->let_go(source->hold);
	source->hold = NULL;
}

void rf_source_close(struct rf_source *source)
{
	rf_source_let_go(source);
	for (size_t i = 0; i < source->fd_count; i++)
		close(source->fds[i]);
	for (size_t i = 0; i < source->chain_count; i++) {
		rf_reader_release_index(&source->chain[i].index);
		free(source->chain[i].path);
	}
	free(source->chain);
	free(source->fds);
	free(source->files);
	free(source->segments);
	free(source->contents);
	free(source->locks);
	free(source->lost);
	free(source->path);
	free(source->parent_path);
	rf_image_release(&source->image);
	rf_source_init(source);
}

void rf_source_take_image(struct rf_source *source)
{
	struct rf_image *image = &source->image;

	source->origin = image->origin;
	source->facts = image->facts;
	source->has_facts = image->has_facts;
	source->locks = image->locks;
	source->lock_count = image->lock_count;
	source->lost = image->lost;
	image->locks = NULL;
	image->lock_count = 0;
	image->lost = NULL;
}

int rf_source_own(struct rf_source *source, int fd)
{
	int *fds = reallocarray(source->fds, source->fd_count + 1, sizeof(*fds));

	if (!fds) {
		close(fd);
		return -ENOMEM;
	}
	source->fds = fds;
	fds[source->fd_count++] = fd;
	return fd;
}

int rf_source_add_content(struct rf_source *source, const struct rf_source_content *content)
{
	size_t capacity = source->content_capacity ? 2 * source->content_capacity : 16;
	struct rf_source_content *grown;

	if (source->content_count == source->content_capacity) {
		grown = reallocarray(source->contents, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		source->contents = grown;
		source->content_capacity = capacity;
	}
	source->contents[source->content_count++] = *content;
	return 0;
}

int rf_source_lose(struct rf_source *source, const char *format, ...)
{
	size_t before = source->lost ? strlen(source->lost) : 0;
	va_list arguments;
	char *line, *lost;
	int bytes;

	va_start(arguments, format);
	bytes = vasprintf(&line, format, arguments);
	va_end(arguments);
	if (bytes < 0)
		return -ENOMEM;
	lost = realloc(source->lost, before + (size_t)bytes + 2);
	if (lost) {
		memcpy(lost + before, line, (size_t)bytes);
		memcpy(lost + before + bytes, "\n", 2);
		source->lost = lost;
	}
	free(line);
	return lost ? 0 : -ENOMEM;
}

size_t rf_source_find(const struct rf_source *source, uint64_t address)
{
	size_t low = 0;
	size_t high = source->segment_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (source->segments[middle].address + source->segments[middle].bytes <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* -- files of the process ------------------------------------------------------------------- */

/* Whether an open file is the one that was mapped. */
static bool is_same_file(const struct rf_image_file *file, const struct rf_image_mapping *mapping,
			 int fd)
{
	struct rf_image_file here;
	uint64_t digest[2];
	struct stat status;

	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		return false;
	here = rf_file_identity(&status);
	if (here.size_bytes != file->size_bytes)
		return false;
	if (!(mapping->flags & RF_MAPPING_DIGEST))
		return here.device == file->device && here.inode == file->inode &&
		       here.mtime_ns == file->mtime_ns && here.ctime_ns == file->ctime_ns;
	return rf_digest_file(fd, mapping->file_offset,
			      rf_file_visible_bytes(file, mapping->file_offset,
						    mapping->end - mapping->start),
			      RF_NO_DEADLINE, digest) == 0 &&
	       memcmp(digest, mapping->digest, sizeof(digest)) == 0;
}

static int open_file(struct rf_source *source, const struct rf_image_mapping *mapping)
{
	const struct rf_reader_file *file = &source->image.files[mapping->file];
	int fd = rf_io_above_stdio(open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));

	if (fd < 0)
		return -errno;
	if (is_same_file(&file->image, mapping, fd))
		return rf_source_own(source, fd);
	close(fd);
	return -ESTALE;
}

int rf_source_open_file(struct rf_source *source, size_t index)
{
	if (source->image.mappings[index].kind == RF_MAPPING_OBJECT)
		return -ESTALE; /* no path leads to it */
	if (!source->files) {
		source->files = calloc(source->image.head.mappings, sizeof(*source->files));
		if (!source->files)
			return -ENOMEM;
	}
	/* 0 = not tried yet: the descriptors are above standard error */
	if (!source->files[index])
		source->files[index] = open_file(source, &source->image.mappings[index]);
	return source->files[index];
}

static ssize_t read_file(struct rf_source *source, size_t index, uint64_t address, void *buffer,
			 size_t bytes)
{
	const struct rf_image_mapping *mapping = &source->image.mappings[index];
	uint64_t offset = mapping->file_offset + (address - mapping->start);
	uint64_t size = source->image.files[mapping->file].image.size_bytes;
	int fd = rf_source_open_file(source, index);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = TEMP_FAILURE_RETRY(pread(fd, buffer, bytes, (off_t)offset));
	if (got < 0)
		return -errno;
	/* the rest of the file's last page is zero, what is behind cannot be read */
	if ((size_t)got < bytes && offset + (uint64_t)got >= size) {
		uint64_t end = (size + 4095) & ~UINT64_C(4095);
		uint64_t zeros = end > offset + (uint64_t)got ? end - offset - (uint64_t)got : 0;

		if (zeros > bytes - (size_t)got)
			zeros = bytes - (size_t)got;
		memset((char *)buffer + got, 0, zeros);
		got += (ssize_t)zeros;
	}
	return got ? got : -EFAULT;
}

/* -- files whose bytes the image holds ------------------------------------------------------- */

/* Reads what of a piece lies within [offset, offset + bytes). */
static int read_overlap(const struct rf_source_content *content, uint64_t offset, char *buffer,
			size_t bytes)
{
	uint64_t start = content->offset > offset ? content->offset : offset;
	uint64_t end = content->offset + content->bytes;
	ssize_t got;

	if (end > offset + bytes)
		end = offset + bytes;
	if (start >= end)
		return 0;
	got = TEMP_FAILURE_RETRY(pread(content->fd, buffer + (start - offset), end - start,
				       (off_t)(content->at + (start - content->offset))));
	if (got < 0)
		return -errno;
	return got == (ssize_t)(end - start) ? 0 : -EIO;
}

static ssize_t read_content(const struct rf_source *source, const struct rf_image_mapping *mapping,
			    uint64_t address, char *buffer, size_t bytes)
{
	uint64_t offset = mapping->file_offset + (address - mapping->start);
	uint64_t size = source->image.objects[mapping->file].object.content.size_bytes;
	uint64_t end = (size + 4095) & ~UINT64_C(4095);
	int error = 0;

	if (offset >= end)
		return -EFAULT;
	if (bytes > end - offset)
		bytes = end - offset;
	memset(buffer, 0, bytes);
	for (size_t i = 0; i < source->content_count && error == 0; i++)
		if (source->contents[i].object == mapping->file)
			error = read_overlap(&source->contents[i], offset, buffer, bytes);
	return error < 0 ? error : (ssize_t)bytes;
}

/* -- reading -------------------------------------------------------------------------------- */

/* Reads from one segment, one gap between segments, or one file. */
static ssize_t read_piece(struct rf_source *source, uint64_t address, void *buffer, size_t bytes)
{
	size_t index = rf_image_find_mapping(&source->image, address, address + 1);
	size_t next = rf_source_find(source, address);
	const struct rf_segment *segment = next < source->segment_count ? &source->segments[next]
									: NULL;
	uint64_t end;
	ssize_t got;

	if (index == SIZE_MAX)
		return -EFAULT;
	end = source->image.mappings[index].end;
	if (segment && segment->address > address && segment->address < end)
		end = segment->address;
	else if (segment && segment->address <= address)
		end = segment->address + segment->bytes;
	if (bytes > end - address)
		bytes = end - address;
	if (segment && segment->address <= address) {
		if (segment->kind == RF_SEGMENT_GUARD)
			return -EFAULT;
		if (segment->kind == RF_SEGMENT_DATA) {
			got = TEMP_FAILURE_RETRY(
				pread(segment->fd, buffer, bytes,
				      (off_t)(segment->offset + (address - segment->address))));
			return got < 0 ? -errno : got ? got : -EFAULT;
		}
	} else if (source->image.mappings[index].kind == RF_MAPPING_FILE) {
		return read_file(source, index, address, buffer, bytes);
	} else if (source->image.mappings[index].kind == RF_MAPPING_OBJECT) {
		return read_content(source, &source->image.mappings[index], address, buffer, bytes);
	}
	memset(buffer, 0, bytes);
	return (ssize_t)bytes;
}

ssize_t rf_source_read(struct rf_source *source, uint64_t address, void *buffer, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t got =
			read_piece(source, address + done, (char *)buffer + done, bytes - done);

		if (got < 0)
			return done ? (ssize_t)done : got;
		done += (size_t)got;
	}
	return (ssize_t)done;
}
