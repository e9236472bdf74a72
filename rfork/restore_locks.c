/* SPDX-License-Identifier: MIT */
/*
 * Takes the locks of an image.  Called by rfork-shell and by executables that restart themselves:
 * no errno, no malloc.
 */
#define _GNU_SOURCE
#include "rfork/restore_locks.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "rfork/sys.h"

static int take_lock(const struct rf_image_lock *lock)
{
	bool is_exclusive = lock->type == RF_LOCK_EXCLUSIVE;
	struct flock range = { .l_type = is_exclusive ? F_WRLCK : F_RDLCK,
			       .l_whence = SEEK_SET,
			       .l_start = (off_t)lock->start,
			       .l_len = (off_t)lock->bytes };

	if (lock->kind == RF_LOCK_WHOLE)
		return (int)rf_syscall(SYS_flock, lock->descriptor,
				       (is_exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
	return (int)rf_syscall(SYS_fcntl, lock->descriptor,
			       lock->kind == RF_LOCK_RECORD ? F_SETLK : F_OFD_SETLK, &range);
}

static const char *find_path(const struct rf_image *image, uint32_t number)
{
	for (uint32_t i = 0; i < image->head.descriptors; i++)
		if (image->descriptors[i].number == number &&
		    image->descriptors[i].kind == RF_DESCRIPTOR_FILE &&
		    image->descriptors[i].file < image->head.files)
			return image->files[image->descriptors[i].file].path;
	return "a file";
}

int rf_restore_locks(const struct rf_image *image, struct rf_report *report)
{
	for (uint32_t i = 0; i < image->lock_count; i++) {
		const struct rf_image_lock *lock = &image->locks[i];
		int error = take_lock(lock);

		if (error < 0)
			return rf_report(report, ENOTSUP,
					 "descriptor %u (%s): its lock cannot be taken: %s",
					 lock->descriptor, find_path(image, lock->descriptor),
					 strerrordesc_np(-error));
	}
	return 0;
}
