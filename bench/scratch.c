/* SPDX-License-Identifier: MIT */
/*
 * The folder is made in /dev/shm.  Called by rows_checkpoint.c, which removes it whatever happens:
 * what it holds is memory.
 */
#define _GNU_SOURCE
#include "bench/scratch.h"

#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#define PLACE "/dev/shm"
#define MOST_OPEN 8

/* What speaks against it; NULL = nothing. */
static const char *judge(uint64_t bytes)
{
	struct statfs status;
	struct statvfs flags;

	if (statfs(PLACE, &status) == -1 || statvfs(PLACE, &flags) == -1 ||
	    status.f_type != TMPFS_MAGIC)
		return "is no tmpfs";
	if (flags.f_flag & ST_NOEXEC)
		return "is mounted noexec";
	if ((uint64_t)status.f_bavail * (uint64_t)status.f_bsize < bytes)
		return "has too little room";
	return NULL;
}

int scratch_make(char *path, uint64_t bytes)
{
	const char *fault = judge(bytes);

	if (fault) {
		fprintf(stderr, PLACE " %s\n", fault);
		return -1;
	}
	strcpy(path, PLACE "/rfork-bench-XXXXXX");
	if (mkdtemp(path))
		return 0;
	perror(path);
	return -1;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
	(void)status, (void)kind, (void)ftw;
	return remove(path);
}

void scratch_remove(const char *path)
{
	if (nftw(path, remove_one, MOST_OPEN, FTW_DEPTH | FTW_PHYS))
		perror(path);
}
