/* SPDX-License-Identifier: MIT */
/*
 * What the format says of a file: when two are provably the same object, and what of it a
 * mapping shows (doc/image-format.txt, 8 to 10).
 */
#ifndef RF_FILE_IDENTITY_H
#define RF_FILE_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rfork/image_format.h"
#include "rfork/sys.h"

/* The identity in the format's words; index is left 0. */
static inline struct rf_image_file rf_file_identity(const struct stat *status)
{
	return (struct rf_image_file){
		.mode = status->st_mode,
		.device = status->st_dev,
		.inode = status->st_ino,
		.size_bytes = (uint64_t)status->st_size,
		.mtime_ns = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec,
		.ctime_ns = (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec,
	};
}

/* What open(2) with these flags would open at the path: a symbolic link itself only with O_PATH and
 * O_NOFOLLOW.  0 or a negative errno. */
static inline int rf_file_status(const char *path, int flags, struct stat *status)
{
	int follow = flags & O_PATH && flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;

	return (int)rf_syscall(SYS_newfstatat, AT_FDCWD, path, status, follow);
}

/*
 * Whether what stands at the path of a directory will do: names are looked up in it as in the
 * working directory, whatever that is.  A position in it (0 = nothing has been read) means
 * something only among the same entries: numbers and times may be equal without the device, as on a
 * network file system.
 */
static inline bool rf_directory_may_stand_in(const struct rf_image_file *file, uint64_t position,
					     const struct stat *status)
{
	struct rf_image_file here = rf_file_identity(status);

	return S_ISDIR(file->mode) && S_ISDIR(status->st_mode) &&
	       (!position || (here.inode == file->inode && here.size_bytes == file->size_bytes &&
			      here.mtime_ns == file->mtime_ns && here.ctime_ns == file->ctime_ns));
}

/* Bytes of the file that a mapping of `bytes` bytes from `offset` shows. */
static inline uint64_t rf_file_visible_bytes(const struct rf_image_file *file, uint64_t offset,
					     uint64_t bytes)
{
	uint64_t left = file->size_bytes > offset ? file->size_bytes - offset : 0;

	return bytes < left ? bytes : left;
}

/* /dev/null, zero, full, random, urandom, which are the same everywhere. */
static inline bool rf_is_common_device(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && major(status->st_rdev) == 1 &&
	       (minor(status->st_rdev) == 3 || minor(status->st_rdev) == 5 ||
		(minor(status->st_rdev) >= 7 && minor(status->st_rdev) <= 9));
}

#endif
