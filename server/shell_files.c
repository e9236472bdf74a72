/* SPDX-License-Identifier: MIT */
/*
 * Files of an image on this node: opens what stands at their paths, and decides whether it is
 * provably the same.  Called by the parts of rfork-shell that map files or reopen them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "rfork/digest.h"
#include "rfork/file_identity.h"
#include "rfork/sys.h"
#include "server/shell.h"

void rf_shell_close_file(struct rf_shell_file *file)
{
	if (file->is_open && file->fd >= 0)
		rf_sys_close(file->fd);
	file->is_open = false;
}

static bool is_written_through(const struct rf_image_mapping *mapping)
{
	return mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE;
}

int rf_shell_open_file(const struct rf_shell_memory *memory, const struct rf_image_mapping *mapping)
{
	struct rf_shell_file *file = &memory->files[mapping->file];
	int flags = is_written_through(mapping) ? O_RDWR : O_RDONLY;

	if (file->is_open && file->flags == flags)
		return file->fd;
	rf_shell_close_file(file);
	file->is_open = true;
	file->flags = flags;
	/* O_NONBLOCK: what stands at that path here may be a FIFO */
	file->fd = rf_sys_open(memory->image->files[mapping->file].path,
			       flags | O_CLOEXEC | O_NONBLOCK);
	if (file->fd >= 0 && rf_sys_fstat(file->fd, &file->status) < 0) {
		rf_sys_close(file->fd);
		file->fd = -EIO;
	}
	return file->fd;
}

static bool is_same_boot(const struct rf_shell *shell, const struct rf_image *image)
{
	static const uint8_t unknown[sizeof(shell->facts.boot_id)];

	return memcmp(shell->facts.boot_id, unknown, sizeof(unknown)) != 0 &&
	       memcmp(shell->facts.boot_id, image->head.boot_id, sizeof(unknown)) == 0;
}

static bool is_same_object(const struct rf_shell *shell, const struct rf_image *image,
			   const struct rf_image_file *file, const struct stat *status)
{
	struct rf_image_file here = rf_file_identity(status);

	return is_same_boot(shell, image) && here.device == file->device &&
	       here.inode == file->inode && here.size_bytes == file->size_bytes &&
	       here.mtime_ns == file->mtime_ns && here.ctime_ns == file->ctime_ns;
}

static bool has_same_digest(const struct rf_image_mapping *mapping,
			    const struct rf_image_file *file, const struct rf_shell_file *here)
{
	uint64_t digest[2];

	if (!(mapping->flags & RF_MAPPING_DIGEST) || !S_ISREG(here->status.st_mode) ||
	    is_written_through(mapping) || (uint64_t)here->status.st_size != file->size_bytes)
		return false;
	return rf_digest_file(here->fd, mapping->file_offset, mapping->end - mapping->start,
			      digest) == 0 &&
	       digest[0] == mapping->digest[0] && digest[1] == mapping->digest[1];
}

bool rf_shell_has_file(const struct rf_shell *shell, const struct rf_shell_memory *memory,
		       const struct rf_image_mapping *mapping)
{
	const struct rf_image_file *file = &memory->image->files[mapping->file].image;
	const struct rf_shell_file *here = &memory->files[mapping->file];

	return rf_shell_open_file(memory, mapping) >= 0 &&
	       (is_same_object(shell, memory->image, file, &here->status) ||
		has_same_digest(mapping, file, here));
}

static bool can_stand_in(const struct rf_shell *shell, const struct rf_image_file *file,
			 const struct stat *status)
{
	return (rf_is_common_device(status) && S_ISCHR(file->mode)) ||
	       is_same_object(shell, &shell->image, file, status);
}

int rf_shell_open_same(const struct rf_shell *shell, const struct rf_reader_file *file, int flags)
{
	struct stat status;
	int fd = rf_sys_stat(file->path, &status);

	if (fd < 0)
		return fd;
	/* before it is opened too: opening another object may block, or do something */
	if (!can_stand_in(shell, &file->image, &status))
		return -ENOENT;
	fd = rf_sys_open(file->path, flags);
	if (fd < 0)
		return fd;
	if (rf_sys_fstat(fd, &status) == 0 && can_stand_in(shell, &file->image, &status))
		return fd;
	rf_sys_close(fd);
	return -ENOENT;
}
