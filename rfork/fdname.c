/* SPDX-License-Identifier: MIT */
/*
 * Names of what cannot travel.  Called by fdtable.c, only for descriptors that are refused or left
 * out: it may ask the kernel more about them.
 */
#define _GNU_SOURCE
#include "rfork/fdname.h"

#include <linux/magic.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/vfs.h>

#include "rfork/sys.h"

/* ipc/mqueue.c and fs/nsfs.c of the kernel; missing in its headers. */
#define MQUEUE_MAGIC 0x19800202

static int socket_option(int fd, int option)
{
	socklen_t bytes = sizeof(int);
	int value = -1;

	return rf_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &bytes) == 0 ? value : -1;
}

static const char *name_socket(int fd)
{
	int type = socket_option(fd, SO_TYPE);

	switch (socket_option(fd, SO_DOMAIN)) {
	case AF_NETLINK:
		return "a netlink socket";
	case AF_PACKET:
		return "a packet socket";
	case AF_VSOCK:
		return "a vsock socket";
	case AF_ALG:
		return "a socket of the kernel's cryptography";
	case AF_XDP:
		return "an XDP socket";
	case AF_UNIX:
		return "a socket that is not connected";
	case AF_INET:
	case AF_INET6:
		if (type == SOCK_RAW)
			return "a raw socket";
		if (type == SOCK_STREAM)
			return "a socket that is not connected";
	}
	return "a socket of this kind";
}

static const char *name_regular(int fd)
{
	struct statfs system = { 0 };

	rf_syscall(SYS_fstatfs, fd, &system);
	switch ((unsigned long)system.f_type) {
	case MQUEUE_MAGIC:
		return "a POSIX message queue";
	case NSFS_MAGIC:
		return "a namespace";
	case HUGETLBFS_MAGIC:
		return "memory of huge pages";
	case SECRETMEM_MAGIC:
		return "secret memory";
	}
	return "a file that has no path any more";
}

const char *rf_fdname_type(int fd, const struct stat *status, const char *path)
{
	static const char anonymous[] = "anon_inode:";
	struct stat found;

	if (rf_sys_stat(path, &found) == -EACCES)
		return "what lies behind a directory that may not be searched";
	if (strncmp(path, anonymous, sizeof(anonymous) - 1) == 0)
		return strcmp(path, "anon_inode:[pidfd]") == 0 ? "a process that does not go along"
							       : "a kernel object";
	if (strncmp(path, "/proc/", 6) == 0)
		return "what another thread or process has in /proc";
	switch (status->st_mode & S_IFMT) {
	case S_IFIFO:
		return "a pipe or FIFO";
	case S_IFSOCK:
		return name_socket(fd);
	case S_IFCHR:
		return "a character device";
	case S_IFBLK:
		return "a block device";
	case S_IFREG:
		return name_regular(fd);
	case S_IFDIR:
		return "a directory that has no path any more";
	case S_IFLNK:
		return "a symbolic link";
	}
	return "this kind of descriptor";
}
