/* SPDX-License-Identifier: MIT */
/*
 * Files of the image on this machine: opens what has their paths if it is provably the same.
 * What has rested knows no boot: device and inode stand for the object, a digest for its bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "rfork/digest.h"
#include "rfork/file_identity.h"
#include "rfork/io.h"
#include "rfork/start/start.h"
#include "rfork/sys.h"

static bool is_same_object(const struct rf_image_file *file, const struct stat *status)
{
	return status->st_dev == file->device && status->st_ino == file->inode &&
	       ((status->st_mode ^ file->mode) & S_IFMT) == 0;
}

static bool is_unchanged(const struct rf_image_file *file, const struct stat *status)
{
	struct rf_image_file here = rf_file_identity(status);

	return here.size_bytes == file->size_bytes && here.mtime_ns == file->mtime_ns &&
	       here.ctime_ns == file->ctime_ns;
}

static bool has_digest(int fd, uint64_t offset, uint64_t bytes, const uint64_t expected[2])
{
	uint64_t digest[2];

	return rf_digest_file(fd, offset, bytes, RF_NO_DEADLINE, digest) == 0 &&
	       memcmp(digest, expected, sizeof(digest)) == 0;
}

static bool is_written_through(const struct rf_image_mapping *mapping)
{
	return mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE;
}

static bool is_same_mapped(const struct rf_image_mapping *mapping, const struct rf_image_file *file,
			   int fd)
{
	struct stat status;

	if (rf_sys_fstat(fd, &status) < 0)
		return false;
	if (is_same_object(file, &status) &&
	    (mapping->flags & RF_MAPPING_SHARED || is_unchanged(file, &status)))
		return true;
	return mapping->flags & RF_MAPPING_DIGEST && !is_written_through(mapping) &&
	       S_ISREG(status.st_mode) && (uint64_t)status.st_size == file->size_bytes &&
	       has_digest(fd, mapping->file_offset,
			  rf_file_visible_bytes(file, mapping->file_offset,
						mapping->end - mapping->start),
			  mapping->digest);
}

int rf_start_open_mapped(const struct rf_start *start, const struct rf_image_mapping *mapping)
{
	const struct rf_reader_file *file = &start->file.image.files[mapping->file];
	/* O_NONBLOCK: what stands at that path here may be a FIFO */
	int fd = rf_sys_open(file->path, (is_written_through(mapping) ? O_RDWR : O_RDONLY) |
						 O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || is_same_mapped(mapping, &file->image, fd))
		return fd;
	rf_sys_close(fd);
	return -ESTALE;
}

static bool is_written(const struct rf_image_descriptor *descriptor)
{
	return (descriptor->status_flags & O_ACCMODE) != O_RDONLY;
}

/* Nobody has held the object since the image was made, so that its inode may be another file's
 * by now: what is only read must be unchanged besides. */
static bool is_same_file(const struct rf_image_descriptor *descriptor,
			 const struct rf_image_file *file, const struct stat *status)
{
	return is_same_object(file, status) &&
	       (!S_ISREG(file->mode) || is_written(descriptor) || is_unchanged(file, status));
}

/* Whether what stands at the path may be the descriptor's file: all but the proof by digest. */
static bool may_stand_in(const struct rf_image_descriptor *descriptor,
			 const struct rf_image_file *file, const struct stat *status)
{
	if (descriptor->flags & RF_DESCRIPTOR_BY_PATH)
		return ((status->st_mode ^ file->mode) & S_IFMT) == 0;
	if (rf_is_common_device(status))
		return S_ISCHR(file->mode);
	return is_same_file(descriptor, file, status) ||
	       rf_directory_may_stand_in(file, descriptor->offset, status) ||
	       (descriptor->flags & RF_DESCRIPTOR_DIGEST && S_ISREG(status->st_mode) &&
		(uint64_t)status->st_size == file->size_bytes);
}

static bool can_stand_in(const struct rf_image_descriptor *descriptor,
			 const struct rf_image_file *file, int fd)
{
	struct stat status;

	if (rf_sys_fstat(fd, &status) < 0 || !may_stand_in(descriptor, file, &status))
		return false;
	return descriptor->flags & RF_DESCRIPTOR_BY_PATH || rf_is_common_device(&status) ||
	       is_same_file(descriptor, file, &status) ||
	       rf_directory_may_stand_in(file, descriptor->offset, &status) ||
	       (descriptor->flags & RF_DESCRIPTOR_DIGEST &&
		has_digest(fd, 0, file->size_bytes, descriptor->digest));
}

/* O_NOATIME saves writes and changes nothing else; who does not own the file may not ask for it. */
static int open_with(const char *path, int flags)
{
	int fd = rf_sys_open(path, flags);

	return fd == -EPERM && flags & O_NOATIME ? rf_sys_open(path, flags & ~O_NOATIME) : fd;
}

int rf_start_reopen(const struct rf_start *start, const struct rf_image_descriptor *descriptor,
		    int flags)
{
	const struct rf_reader_file *file = &start->file.image.files[descriptor->file];
	struct stat status;
	int fd = rf_file_status(file->path, flags, &status);

	if (fd < 0)
		return fd;
	/* before it is opened too: opening another object may block, or do something */
	if (!may_stand_in(descriptor, &file->image, &status))
		return -ESTALE;
	fd = open_with(file->path, flags);
	if (fd < 0 || can_stand_in(descriptor, &file->image, fd))
		return fd;
	rf_sys_close(fd);
	return -ESTALE;
}
