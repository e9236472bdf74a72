/* SPDX-License-Identifier: MIT */
/*
 * Files of an image on this node: opens what stands at their paths, and decides whether it is
 * provably the same.  Called by the parts of rfork-shell that map files or reopen them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "rfork/boot_id.h"
#include "rfork/digest.h"
#include "rfork/file_identity.h"
#include "rfork/io.h"
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

bool rf_shell_is_same_boot(const struct rf_shell *shell, const struct rf_image *image)
{
	return rf_boot_id_is_same(shell->facts.boot_id, image->head.boot_id);
}

static bool is_same_object(const struct rf_shell *shell, const struct rf_image *image,
			   const struct rf_image_file *file, const struct stat *status)
{
	return rf_shell_is_same_boot(shell, image) && status->st_dev == file->device &&
	       status->st_ino == file->inode && ((status->st_mode ^ file->mode) & S_IFMT) == 0;
}

static bool is_unchanged(const struct rf_image_file *file, const struct stat *status)
{
	struct rf_image_file here = rf_file_identity(status);

	return here.size_bytes == file->size_bytes && here.mtime_ns == file->mtime_ns &&
	       here.ctime_ns == file->ctime_ns;
}

/* What is mapped MAP_SHARED shows what others write meanwhile, here as at home. */
static bool is_same_mapped(const struct rf_shell *shell, const struct rf_image *image,
			   const struct rf_image_mapping *mapping, const struct rf_image_file *file,
			   const struct stat *status)
{
	return is_same_object(shell, image, file, status) &&
	       (mapping->flags & RF_MAPPING_SHARED || is_unchanged(file, status));
}

static bool has_same_digest(const struct rf_image_mapping *mapping,
			    const struct rf_image_file *file, const struct rf_shell_file *here)
{
	uint64_t digest[2];

	if (!(mapping->flags & RF_MAPPING_DIGEST) || !S_ISREG(here->status.st_mode) ||
	    is_written_through(mapping) || (uint64_t)here->status.st_size != file->size_bytes)
		return false;
	return rf_digest_file(here->fd, mapping->file_offset, mapping->end - mapping->start,
			      RF_NO_DEADLINE, digest) == 0 &&
	       digest[0] == mapping->digest[0] && digest[1] == mapping->digest[1];
}

bool rf_shell_has_file(const struct rf_shell *shell, const struct rf_shell_memory *memory,
		       const struct rf_image_mapping *mapping)
{
	const struct rf_image_file *file = &memory->image->files[mapping->file].image;
	const struct rf_shell_file *here = &memory->files[mapping->file];

	return rf_shell_open_file(memory, mapping) >= 0 &&
	       (is_same_mapped(shell, memory->image, mapping, file, &here->status) ||
		has_same_digest(mapping, file, here));
}

/* Whether what stands at the path here may be the descriptor's file: all but the proof. */
static bool may_stand_in(const struct rf_shell *shell, const struct rf_image_descriptor *descriptor,
			 const struct rf_image_file *file, const struct stat *status)
{
	if (descriptor->flags & RF_DESCRIPTOR_BY_PATH)
		return ((status->st_mode ^ file->mode) & S_IFMT) == 0;
	if (rf_is_common_device(status))
		return S_ISCHR(file->mode);
	return is_same_object(shell, &shell->image, file, status) ||
	       rf_directory_may_stand_in(file, descriptor->offset, status) ||
	       (descriptor->flags & RF_DESCRIPTOR_DIGEST && S_ISREG(status->st_mode) &&
		(uint64_t)status->st_size == file->size_bytes) ||
	       (descriptor->flags & RF_DESCRIPTOR_WITNESS && S_ISREG(status->st_mode));
}

static bool has_digest(const struct rf_image_descriptor *descriptor,
		       const struct rf_image_file *file, int fd)
{
	uint64_t digest[2];

	return descriptor->flags & RF_DESCRIPTOR_DIGEST &&
	       rf_digest_file(fd, 0, file->size_bytes, RF_NO_DEADLINE, digest) == 0 &&
	       digest[0] == descriptor->digest[0] && digest[1] == descriptor->digest[1];
}

/* Whether the ghost's lock is seen through fd.  A lock of anybody else's may cover the byte, in
 * another file, but is not of just that one. */
static bool shows_witness(const struct rf_image_descriptor *descriptor, int fd)
{
	struct flock lock = { .l_type = F_WRLCK,
			      .l_whence = SEEK_SET,
			      .l_start = (off_t)descriptor->witness,
			      .l_len = 1 };

	return descriptor->flags & RF_DESCRIPTOR_WITNESS &&
	       rf_syscall(SYS_fcntl, fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK &&
	       lock.l_start == (off_t)descriptor->witness && lock.l_len == 1;
}

/* The same for what has been opened, with the proof. */
static bool can_stand_in(const struct rf_shell *shell, const struct rf_image_descriptor *descriptor,
			 const struct rf_image_file *file, int fd)
{
	struct stat status;

	if (rf_sys_fstat(fd, &status) < 0 || !may_stand_in(shell, descriptor, file, &status))
		return false;
	return descriptor->flags & RF_DESCRIPTOR_BY_PATH || rf_is_common_device(&status) ||
	       is_same_object(shell, &shell->image, file, &status) ||
	       rf_directory_may_stand_in(file, descriptor->offset, &status) ||
	       has_digest(descriptor, file, fd) || shows_witness(descriptor, fd);
}

/* O_NOATIME saves writes and changes nothing else; who does not own the file may not ask for it. */
static int open_with(const char *path, int flags)
{
	int fd = rf_sys_open(path, flags);

	return fd == -EPERM && flags & O_NOATIME ? rf_sys_open(path, flags & ~O_NOATIME) : fd;
}

/* Who has a lease on a file is given time to let go of it, far more than a caller waits for us. */
static int open_at_once(const char *path, int flags, mode_t mode)
{
	int fd;

	if (!S_ISREG(mode) || flags & (O_NONBLOCK | O_PATH))
		return open_with(path, flags);
	fd = open_with(path, flags | O_NONBLOCK);
	if (fd >= 0)
		rf_syscall(SYS_fcntl, fd, F_SETFL,
			   rf_syscall(SYS_fcntl, fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

int rf_shell_reopen(const struct rf_shell *shell, const struct rf_image_descriptor *descriptor,
		    int flags)
{
	const struct rf_reader_file *file = &shell->image.files[descriptor->file];
	struct stat status;
	int fd = rf_file_status(file->path, flags, &status);

	if (fd < 0)
		return fd;
	/* before it is opened too: opening another object may block, or do something */
	if (!may_stand_in(shell, descriptor, &file->image, &status))
		return -ESTALE;
	fd = open_at_once(file->path, flags, status.st_mode);
	if (fd < 0 || can_stand_in(shell, descriptor, &file->image, fd))
		return fd;
	rf_sys_close(fd);
	return -ESTALE;
}
