/* SPDX-License-Identifier: MIT */
/*
 * Looks for RDMA devices in sysfs.  Called by approach.c before the fork, and by a session.
 */
#define _GNU_SOURCE
#include "rfork/rdma_device.h"

#include <dirent.h>
#include <stdint.h>

#include "rfork/report.h"
#include "rfork/sys.h"

#define DEVICES "/sys/class/infiniband"

/* As much as the first entries take: ".", ".." and a device. */
#define LISTED_BYTES 1024

#define NAME_BYTES 64 /* the kernel's IB_DEVICE_NAME_MAX */

static bool lists_device(const char *listed, long bytes)
{
	for (long at = 0; at < bytes;) {
		const struct dirent64 *entry = (const struct dirent64 *)(listed + at);

		if (entry->d_name[0] != '.')
			return true;
		at += entry->d_reclen;
	}
	return false;
}

bool rf_rdma_has_device(void)
{
	_Alignas(struct dirent64) char listed[LISTED_BYTES];
	int fd = rf_sys_open(DEVICES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool found = false;
	long bytes;

	if (fd < 0)
		return false;
	do {
		bytes = rf_syscall(SYS_getdents64, fd, listed, sizeof(listed));
		found = bytes > 0 && lists_device(listed, bytes);
	} while (bytes > 0 && !found);
	rf_sys_close(fd);
	return found;
}

bool rf_rdma_has_device_named(const char *name)
{
	char path[sizeof(DEVICES) + 1 + NAME_BYTES];
	int fd;

	rf_format(path, sizeof(path), "%s/%s", DEVICES, name);
	fd = rf_sys_open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	rf_sys_close(fd);
	return true;
}
