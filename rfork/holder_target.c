/* SPDX-License-Identifier: MIT */
/*
 * Opens what a checkpoint is written to.  A named file stays in place until the new one is
 * durable: that has a temporary name in the same folder, NAME.rfork-NUMBER, meanwhile, and a lock
 * (flock(2)) by which others see that somebody is still writing it.
 */
#define _GNU_SOURCE
#include "rfork/holder_target.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>

#include "rfork/sys.h"

#define STATEFILE_MODE 0600
#define EXECUTABLE_MODE 0700
#define SUFFIX ".rfork-"
#define NAMES_TRIED 100u

static void close_fd(int *fd)
{
	if (*fd >= 0)
		rf_sys_close(*fd);
	*fd = -1;
}

/* -- what stands behind a descriptor ---------------------------------------------------------- */

/* The path that leads to it, or what the kernel calls it. */
static int read_link(int fd, char *path, size_t bytes, struct rf_report *report)
{
	char link[32];
	long length;

	rf_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = rf_syscall(SYS_readlinkat, AT_FDCWD, link, path, bytes - 1);
	if (length < 0)
		return rf_report(report, (int)-length, "%s: %m", link);
	path[length] = '\0';
	return 0;
}

static bool is_at(const char *path, const struct stat *status)
{
	struct stat found;

	return rf_sys_stat(path, &found) == 0 && found.st_dev == status->st_dev &&
	       found.st_ino == status->st_ino;
}

/* -- the three ways --------------------------------------------------------------------------- */

static int open_stream(struct rf_target *target, int fd)
{
	target->fd = fd;
	target->is_stream = true;
	return 0;
}

/* A description of our own: the caller's has an offset, and may not be for reading. */
static int open_in_place(struct rf_target *target, int fd, struct rf_report *report)
{
	char link[32];

	rf_format(link, sizeof(link), "/proc/self/fd/%d", fd);
	target->fd = rf_sys_open(link, O_RDWR | O_CLOEXEC);
	rf_sys_close(fd);
	if (target->fd < 0)
		return rf_report(report, -target->fd, "%s: opening it again: %m", target->path);
	return 0;
}

static int open_directory(struct rf_target *target, struct rf_report *report)
{
	char *slash = strrchr(target->path, '/');

	if (!slash || strlen(slash + 1) >= sizeof(target->name))
		return rf_report(report, ENAMETOOLONG, "%s: %m", target->path);
	rf_format(target->name, sizeof(target->name), "%s", slash + 1);
	*slash = '\0';
	target->directory =
		rf_sys_open(*target->path ? target->path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (target->directory < 0)
		return rf_report(report, -target->directory, "the folder of %s: %m", target->path);
	return 0;
}

static mode_t mode_of(const struct rf_target *target)
{
	return target->is_executable ? EXECUTABLE_MODE : STATEFILE_MODE;
}

static bool is_named(const struct rf_target *target, const char *name, int fd)
{
	struct stat there, here;

	return rf_syscall(SYS_newfstatat, target->directory, name, &there, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       rf_sys_fstat(fd, &here) == 0 && there.st_dev == here.st_dev &&
	       there.st_ino == here.st_ino;
}

/* Whether nobody has taken the new file for a stale one.  Where there are no locks, nobody takes
 * one for stale. */
static bool is_ours(const struct rf_target *target)
{
	long error = rf_syscall(SYS_flock, target->fd, LOCK_EX | LOCK_NB);

	return error != -EWOULDBLOCK && is_named(target, target->temporary, target->fd);
}

/* The number is our pid, unless another machine's process, or a stale file, has it. */
static int create_temporary(struct rf_target *target, struct rf_report *report)
{
	unsigned number = (unsigned)rf_syscall(SYS_getpid);

	if (strlen(target->name) + sizeof(SUFFIX "4294967295") > sizeof(target->temporary))
		return rf_report(report, ENAMETOOLONG, "a temporary name beside %s: %m",
				 target->path);
	for (unsigned tries = 0; tries < NAMES_TRIED; tries++, number++) {
		rf_format(target->temporary, sizeof(target->temporary), "%s" SUFFIX "%u",
			  target->name, number);
		target->fd = (int)rf_syscall(SYS_openat, target->directory, target->temporary,
					     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
					     mode_of(target));
		/* the umask is the program's, and may be anything */
		if (target->fd >= 0)
			rf_syscall(SYS_fchmod, target->fd, mode_of(target));
		if (target->fd >= 0 && is_ours(target))
			return 0;
		if (target->fd < 0 && target->fd != -EEXIST)
			break;
		if (target->fd >= 0)
			rf_sys_close(target->fd);
		target->fd = -EEXIST;
	}
	return rf_report(report, -target->fd, "a temporary file beside %s: %m", target->path);
}

static int open_beside(struct rf_target *target, int fd, struct rf_report *report)
{
	int error;

	rf_sys_close(fd);
	error = open_directory(target, report);
	if (error == 0)
		error = create_temporary(target, report);
	if (error < 0)
		close_fd(&target->directory);
	return error;
}

/* A file without a name, which was made so: not one whose name was taken by another. */
static bool was_never_named(const char *path, long flags)
{
	return (flags & O_TMPFILE) == O_TMPFILE || strncmp(path, "/memfd:", 7) == 0;
}

static int open_file(struct rf_target *target, int fd, const struct stat *status, long flags,
		     struct rf_report *report)
{
	if (was_never_named(target->path, flags) && status->st_nlink == 0)
		return open_in_place(target, fd, report);
	if (is_at(target->path, status))
		return open_beside(target, fd, report);
	rf_sys_close(fd);
	return rf_report(report, ESTALE,
			 "%s: the file no longer has that name: open it again for each commit",
			 target->path);
}

int rf_target_open(struct rf_target *target, int fd, struct rf_report *report)
{
	long flags = rf_syscall(SYS_fcntl, fd, F_GETFL);
	struct stat status;
	int error;

	target->fd = target->directory = -1;
	target->is_stream = target->is_executable = false;
	error = read_link(fd, target->path, sizeof(target->path), report);
	if (error == 0)
		error = rf_sys_fstat(fd, &status);
	if (error == 0 && ((flags & O_ACCMODE) == O_RDONLY || flags & O_PATH))
		error = rf_report(report, EBADF, "%s is not open for writing", target->path);
	if (error < 0) {
		rf_sys_close(fd);
		return rf_report(report, -error, "the descriptor: %m");
	}
	if (S_ISREG(status.st_mode))
		return open_file(target, fd, &status, flags, report);
	if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))
		return open_stream(target, fd);
	rf_sys_close(fd);
	return rf_report(report, EINVAL, "%s is neither a file nor a pipe nor a socket",
			 target->path);
}

int rf_target_open_executable(struct rf_target *target, int directory, const char *name,
			      struct rf_report *report)
{
	int error;

	target->fd = -1;
	target->directory = directory;
	target->is_stream = false;
	target->is_executable = true;
	rf_format(target->name, sizeof(target->name), "%s", name);
	rf_format(target->path, sizeof(target->path), "%s", name);
	error = create_temporary(target, report);
	if (error < 0)
		close_fd(&target->directory);
	return error;
}

/* -- what others have left -------------------------------------------------------------------- */

/* Whether it is a name that create_temporary() gives beside this file. */
static bool is_temporary(const struct rf_target *target, const char *name)
{
	size_t length = strlen(target->name);

	if (strncmp(name, target->name, length) != 0 ||
	    strncmp(name + length, SUFFIX, sizeof(SUFFIX) - 1) != 0)
		return false;
	name += length + sizeof(SUFFIX) - 1;
	for (; *name >= '0' && *name <= '9'; name++)
		;
	return *name == '\0';
}

/* Removes what nobody is writing: its holder was killed. */
static void remove_if_stale(const struct rf_target *target, const char *name)
{
	struct stat status;
	int fd = (int)rf_syscall(SYS_openat, target->directory, name,
				 O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (rf_sys_fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    (status.st_mode & 07777) == mode_of(target) &&
	    status.st_uid == (uid_t)rf_syscall(SYS_geteuid) &&
	    rf_syscall(SYS_flock, fd, LOCK_EX | LOCK_NB) == 0 && is_named(target, name, fd))
		rf_syscall(SYS_unlinkat, target->directory, name, 0);
	rf_sys_close(fd);
}

void rf_target_remove_stale(const struct rf_target *target)
{
	char buffer[4096] __attribute__((aligned(8)));
	long got;
	int list;

	if (target->directory < 0)
		return;
	list = (int)rf_syscall(SYS_openat, target->directory, ".",
			       O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (list < 0)
		return;
	while ((got = rf_syscall(SYS_getdents64, list, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (struct dirent64 *)(buffer + at);

			if (is_temporary(target, entry->d_name) &&
			    strcmp(entry->d_name, target->temporary) != 0)
				remove_if_stale(target, entry->d_name);
			at += entry->d_reclen;
		}
	rf_sys_close(list);
}

/* -- the end ----------------------------------------------------------------------------------- */

int rf_target_complete(struct rf_target *target, struct rf_report *report)
{
	long error = 0;

	if (target->directory >= 0)
		error = rf_syscall(SYS_renameat, target->directory, target->temporary,
				   target->directory, target->name);
	if (error < 0) {
		rf_report(report, (int)-error, "renaming %s to %s: %m", target->temporary,
			  target->path);
		rf_target_abandon(target);
		return (int)error;
	}
	if (target->directory >= 0)
		error = rf_syscall(SYS_fsync, target->directory);
	close_fd(&target->fd);
	close_fd(&target->directory);
	if (error < 0)
		return rf_report(report, (int)-error, "the folder of %s: %m", target->path);
	return 0;
}

void rf_target_abandon(struct rf_target *target)
{
	if (target->directory >= 0 && target->fd >= 0)
		rf_syscall(SYS_unlinkat, target->directory, target->temporary, 0);
	close_fd(&target->fd);
	close_fd(&target->directory);
}
