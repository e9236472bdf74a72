/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that the library keeps in the program.  No malloc, no errno.
 */
#define _GNU_SOURCE
#include "rfork/kept_fd.h"

#include "rfork/io.h"
#include "rfork/sys.h"

int rf_kept_fd_take(struct rf_kept_fd *kept, int fd)
{
	struct stat status;
	int error;

	*kept = RF_KEPT_FD_NONE;
	fd = rf_io_out_of_the_way(fd);
	if (fd < 0)
		return fd;
	error = rf_sys_fstat(fd, &status);
	if (error < 0) {
		rf_sys_close(fd);
		return error;
	}
	*kept = (struct rf_kept_fd){ fd, status.st_dev, status.st_ino };
	return 0;
}

bool rf_kept_fd_is_open(const struct rf_kept_fd *kept)
{
	struct stat status;

	return kept->fd >= 0 && rf_sys_fstat(kept->fd, &status) == 0 &&
	       status.st_dev == kept->device && status.st_ino == kept->inode;
}

bool rf_kept_fd_is(const struct rf_kept_fd *kept, int fd)
{
	return kept->fd == fd && rf_kept_fd_is_open(kept);
}

void rf_kept_fd_close(struct rf_kept_fd *kept)
{
	if (rf_kept_fd_is_open(kept))
		rf_sys_close(kept->fd);
	*kept = RF_KEPT_FD_NONE;
}
