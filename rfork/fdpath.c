/* SPDX-License-Identifier: MIT */
/*
 * Looks at the paths of descriptors, before the fork; changes nothing.
 */
#define _GNU_SOURCE
#include "rfork/fdpath.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "rfork/file_identity.h"
#include "rfork/sys.h"

/* -- paths that lead to the same object -------------------------------------------------------- */

/* status_flags: those of F_GETFL. */
static bool leads_to(const char *path, uint32_t status_flags, const struct stat *status)
{
	struct stat found;

	return path[0] == '/' && rf_file_status(path, (int)status_flags, &found) == 0 &&
	       found.st_dev == status->st_dev && found.st_ino == status->st_ino;
}

/* O_PATH opens nothing: whatever it names, a socket or a device, can be named again. */
static bool can_reopen(const struct rf_fd *entry, const struct stat *status)
{
	if (rf_is_common_device(status))
		return true;
	return (entry->image.status_flags & O_PATH || S_ISREG(status->st_mode) ||
		S_ISDIR(status->st_mode)) &&
	       leads_to(entry->path, entry->image.status_flags, status);
}

/* It may have been opened by another name, or by one that is gone; everywhere it has this one. */
static const char *name_common_device(const struct stat *status)
{
	switch (minor(status->st_rdev)) {
	case 3:
		return "/dev/null";
	case 5:
		return "/dev/zero";
	case 7:
		return "/dev/full";
	case 8:
		return "/dev/random";
	}
	return "/dev/urandom";
}

/* -- /proc and /sys ---------------------------------------------------------------------------- */

static bool is_on(int fd, const char *path, const char *folder, long magic)
{
	struct statfs status;

	return strncmp(path, folder, strlen(folder)) == 0 &&
	       rf_syscall(SYS_fstatfs, fd, &status) == 0 && status.f_type == magic;
}

/* The number at *text, which ends with '/' or the text; moves on behind it.  0 = there is none. */
static long take_id(const char **text)
{
	const char *next = *text;
	long id = 0;

	while (*next >= '0' && *next <= '9' && id < INT32_MAX)
		id = id * 10 + (*next++ - '0');
	if (next == *text || (*next && *next != '/'))
		return 0;
	*text = next;
	return id;
}

/* What a process has in /proc, as each finds its own; NULL if it is another thread's. */
static const char *find_own(const struct rf_fdtable *table, const char *rest, const char **folder)
{
	static const char task[] = "/task/";
	long id;

	*folder = "/proc/self";
	if (strncmp(rest, task, sizeof(task) - 1) != 0)
		return rest;
	rest += sizeof(task) - 1;
	id = take_id(&rest);
	*folder = "/proc/thread-self";
	return id == table->thread ? rest : NULL;
}

static int go_by_path(struct rf_fd *entry, const char *folder, const char *rest,
		      struct rf_arena *arena)
{
	/* the folder itself is a symbolic link */
	const char *inside = *rest ? rest : "/.";
	size_t bytes = strlen(folder) + strlen(inside) + 1;
	char *path = rf_arena_take(arena, bytes);

	if (!path)
		return -ENOMEM;
	rf_format(path, bytes, "%s%s", folder, inside);
	entry->path = path;
	entry->image.flags |= RF_DESCRIPTOR_BY_PATH;
	return 0;
}

/* What the kernel says to all who ask is a matter of the machine on which it is asked.  What it is
 * told would change another machine. */
static bool is_only_read(const struct rf_fd *entry)
{
	return (entry->image.status_flags & (O_ACCMODE | O_PATH)) == O_RDONLY;
}

static int classify_proc(const struct rf_fdtable *table, struct rf_fd *entry,
			 struct rf_arena *arena)
{
	const char *rest = entry->path + strlen("/proc/");
	const char *folder;
	long id = take_id(&rest);

	if (id == table->process) {
		rest = find_own(table, rest, &folder);
		return rest ? go_by_path(entry, folder, rest, arena) : -ENOTSUP;
	}
	if (!id && is_only_read(entry))
		entry->image.flags |= RF_DESCRIPTOR_BY_PATH;
	return 0;
}

static int classify_pseudo(const struct rf_fdtable *table, struct rf_fd *entry,
			   struct rf_arena *arena)
{
	if (is_on(entry->fd, entry->path, "/proc/", PROC_SUPER_MAGIC))
		return classify_proc(table, entry, arena);
	if (is_only_read(entry) && is_on(entry->fd, entry->path, "/sys/", SYSFS_MAGIC))
		entry->image.flags |= RF_DESCRIPTOR_BY_PATH;
	return 0;
}

/* -- all --------------------------------------------------------------------------------------- */

int rf_fdpath_classify(const struct rf_fdtable *table, struct rf_fd *entry,
		       const struct stat *status, struct rf_arena *arena)
{
	long offset;
	int error;

	if (!can_reopen(entry, status))
		return -ENOTSUP;
	if (rf_is_common_device(status))
		entry->path = name_common_device(status);
	error = classify_pseudo(table, entry, arena);
	if (error < 0)
		return error;
	entry->image.kind = RF_DESCRIPTOR_FILE;
	entry->identity = rf_file_identity(status);
	if (!S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode))
		return 0;
	/* of a directory: what is to be read next */
	offset = rf_syscall(SYS_lseek, entry->fd, 0, SEEK_CUR);
	entry->image.offset = offset > 0 ? (uint64_t)offset : 0;
	return 0;
}
