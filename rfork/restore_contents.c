/* SPDX-License-Identifier: MIT */
/*
 * Makes the files of an image's contents.  Called by rfork-shell, and by executables without a C
 * library.
 */
#define _GNU_SOURCE
#include "rfork/restore_contents.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "rfork/report.h"
#include "rfork/sys.h"

/* What does not describe an open file but how it was opened. */
#define CREATION_FLAGS                                                                             \
	(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | O_TMPFILE | O_DIRECTORY | O_NOFOLLOW)

/* Linux 6.3, include/uapi/linux/memfd.h; missing in older headers. */
#define EXECUTABLE_MEMORY 0x10u

/* -- memfds ------------------------------------------------------------------------------------ */

/* Its mode decides later who may execute it, and its seals who may change that. */
static int make_memory(const char *name)
{
	int fd = (int)rf_syscall(SYS_memfd_create, name,
				 MFD_CLOEXEC | MFD_ALLOW_SEALING | EXECUTABLE_MEMORY);

	/* older kernels do not know the flag, and an administrator may forbid it */
	if (fd != -EINVAL && fd != -EACCES)
		return fd;
	return (int)rf_syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/* -- files without a name ---------------------------------------------------------------------- */

static bool has_room(int fd, uint64_t bytes)
{
	struct statfs status;

	/* a file system without blocks, such as one without a limit, does not say */
	return rf_syscall(SYS_fstatfs, fd, &status) < 0 || status.f_blocks == 0 ||
	       bytes / (uint64_t)status.f_bsize <= (uint64_t)status.f_bavail;
}

static int make_in(const char *folder, uint64_t bytes)
{
	int fd =
		(int)rf_syscall(SYS_openat, AT_FDCWD, folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 || has_room(fd, bytes))
		return fd;
	rf_sys_close(fd);
	return -ENOSPC;
}

/* The folder of a path; false if that says nothing of one. */
static bool find_folder(const char *path, char *folder)
{
	const char *end = path[0] == '/' ? strrchr(path, '/') : NULL;
	size_t bytes = end ? (size_t)(end - path) : 0;

	if (!end || bytes > RF_IMAGE_MAX_PATH_BYTES)
		return false;
	memcpy(folder, path, bytes);
	folder[bytes] = '\0';
	if (!bytes)
		memcpy(folder, "/", 2);
	return true;
}

static int make_file(const char *path, uint64_t bytes)
{
	static const char *const folders[] = { "/var/tmp", "/tmp", "/dev/shm" };
	char own[RF_IMAGE_MAX_PATH_BYTES + 1];
	int fd = find_folder(path, own) ? make_in(own, bytes) : -ENOENT;
	bool is_full = fd == -ENOSPC;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && fd < 0; i++) {
		fd = make_in(folders[i], bytes);
		is_full |= fd == -ENOSPC;
	}
	if (fd >= 0)
		return fd;
	/* memory is for those that have no such folder: what is too large for a disk is not put
	 * there */
	return is_full ? -ENOSPC : make_memory("rfork");
}

/* -- both -------------------------------------------------------------------------------------- */

int rf_restore_content_make(const struct rf_object_state *object, const char *path)
{
	const struct rf_object_content *content = &object->content;
	int fd = content->flags & RF_CONTENT_MEMORY ? make_memory(object->name)
						    : make_file(path, content->data_bytes);
	int error = fd < 0 ? fd : (int)rf_syscall(SYS_ftruncate, fd, content->size_bytes);

	if (error == 0)
		return fd;
	if (fd >= 0)
		rf_sys_close(fd);
	return error;
}

int rf_restore_content_put(int fd, uint64_t offset, const void *data, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t put = rf_syscall(SYS_pwrite64, fd, (const char *)data + done, bytes - done,
					 offset + done);

		if (put == 0)
			return -ENOSPC;
		if (put < 0 && put != -EINTR)
			return (int)put;
		done += put > 0 ? (size_t)put : 0;
	}
	return 0;
}

static int open_again(int fd, int flags)
{
	char path[32];
	int opened;

	rf_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = rf_sys_open(path, flags);
	/* a file system that cannot do without its cache; or somebody else's file */
	if (opened == -EINVAL && flags & O_DIRECT)
		opened = rf_sys_open(path, flags & ~O_DIRECT);
	return opened;
}

int rf_restore_content_open(int fd, uint32_t status_flags, uint64_t offset)
{
	int opened = open_again(fd, (int)status_flags & ~CREATION_FLAGS);
	long error = 0;

	if (opened >= 0 && offset)
		error = rf_syscall(SYS_lseek, opened, offset, SEEK_SET);
	if (error >= 0)
		return opened;
	rf_sys_close(opened);
	return (int)error;
}

int rf_restore_content_map(int fd, const struct rf_object_state *object, bool is_shared)
{
	/* one that could be made writable would keep the seal off */
	return is_shared && object->content.seals & F_SEAL_WRITE
		       ? open_again(fd, O_RDONLY | O_CLOEXEC)
		       : (int)rf_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

int rf_restore_content_finish(int fd, const struct rf_object_state *object)
{
	const struct rf_object_content *content = &object->content;
	int error = (int)rf_syscall(SYS_fchmod, fd, content->mode & 07777);

	if (error == 0 && content->seals)
		error = (int)rf_syscall(SYS_fcntl, fd, F_ADD_SEALS, content->seals);
	return error;
}
