/* SPDX-License-Identifier: MIT */
/*
 * Makes an inotify of the image.  Called by restore_objects.c.
 */
#define _GNU_SOURCE
#include "rfork/restore_inotify.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "rfork/sys.h"

/* INOTIFY_IOC_SETNEXTWD, include/uapi/linux/inotify.h; with CONFIG_CHECKPOINT_RESTORE. */
#define SET_NEXT_NUMBER 0x40044900u
/* On other kernels each new watch gets the next number; so many are made and removed at most. */
#define TRIES 65536u

static int check_type(const char *path, uint32_t mode)
{
	struct stat status;
	int error = (int)rf_syscall(SYS_newfstatat, AT_FDCWD, path, &status, AT_SYMLINK_NOFOLLOW);

	if (error < 0)
		return error;
	return (status.st_mode & S_IFMT) == (mode & S_IFMT) ? 0 : -ESTALE;
}

/* Watches under the number that the image's memory knows.  *is_stirred: there are events of watches
 * that have been removed. */
static int watch(int fd, const char *path, const struct rf_image_watched *watched, unsigned *tries,
		 bool *is_stirred)
{
	int32_t next = watched->number;
	bool is_told = rf_sys_ioctl(fd, SET_NEXT_NUMBER, (void *)(intptr_t)next) == 0;

	for (;;) {
		long number =
			rf_syscall(SYS_inotify_add_watch, fd, path, watched->mask | IN_DONT_FOLLOW);

		if (number < 0)
			return (int)number;
		if (number == watched->number)
			return 0;
		if (is_told || number > watched->number || ++*tries == TRIES)
			return -EBUSY;
		rf_syscall(SYS_inotify_rm_watch, fd, number);
		*is_stirred = true;
	}
}

/* Reads away what the removed ones have left. */
static int settle(int fd)
{
	char events[4096];
	ssize_t got;
	int error = (int)rf_syscall(SYS_fcntl, fd, F_SETFL, O_NONBLOCK);

	while (error >= 0 && (got = rf_sys_read(fd, events, sizeof(events))) > 0)
		;
	return error < 0 ? error : 0;
}

static int watch_all(int fd, const struct rf_object_state *object)
{
	const char *next = (const char *)(object->watched + object->inotify.watched);
	char path[RF_IMAGE_MAX_PATH_BYTES + 1];
	bool is_stirred = false;
	unsigned tries = 0;
	int error = 0;

	for (uint32_t i = 0; i < object->inotify.watched && error == 0; i++) {
		const struct rf_image_watched *watched = &object->watched[i];

		memcpy(path, next, watched->path_bytes);
		path[watched->path_bytes] = '\0';
		next += watched->path_bytes;
		error = check_type(path, watched->mode);
		if (error == 0)
			error = watch(fd, path, watched, &tries, &is_stirred);
	}
	return error == 0 && is_stirred ? settle(fd) : error;
}

int rf_restore_inotify(const struct rf_object_state *object)
{
	int fd = (int)rf_syscall(SYS_inotify_init1, 0);
	int error = fd < 0 ? 0 : watch_all(fd, object);

	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return error;
}
