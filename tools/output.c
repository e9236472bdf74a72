/* SPDX-License-Identifier: MIT */
/*
 * What undump must not write over.  A new file takes the place of what has its name; so a device
 * would be gone, and a core that has its memory in the file that it replaces would have none.
 * Called by the modes that write files, before they do.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/stat.h>

#include "tools/undump.h"

int undump_check_output(const char *path, struct rf_report *report)
{
	struct stat status;

	if (stat(path, &status) < 0 || S_ISREG(status.st_mode))
		return 0; /* whether it can be made is seen then */
	if (S_ISDIR(status.st_mode))
		return rf_report(report, EISDIR, "%s: %m", path);
	return rf_report(report, EINVAL, "%s: it is not a regular file, and would be replaced",
			 path);
}

int undump_check_core_output(const struct rf_source *source, const char *path,
			     struct rf_report *report)
{
	struct stat there, read;
	int error = undump_check_output(path, report);

	if (error < 0 || stat(path, &there) < 0)
		return error;
	for (size_t i = 0; i < source->fd_count; i++)
		if (fstat(source->fds[i], &read) == 0 && read.st_dev == there.st_dev &&
		    read.st_ino == there.st_ino)
			return rf_report(report, EINVAL,
					 "%s: it is being read, and the core would take its place",
					 path);
	return 0;
}
