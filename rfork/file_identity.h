/* SPDX-License-Identifier: MIT */
/*
 * When two files are provably the same object (doc/image-format.txt, 8 and 9).
 */
#ifndef RF_FILE_IDENTITY_H
#define RF_FILE_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rfork/image_format.h"

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

/* /dev/null, zero, full, random, urandom, which are the same everywhere. */
static inline bool rf_is_common_device(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && major(status->st_rdev) == 1 &&
	       (minor(status->st_rdev) == 3 || minor(status->st_rdev) == 5 ||
		(minor(status->st_rdev) >= 7 && minor(status->st_rdev) <= 9));
}

#endif
