/* SPDX-License-Identifier: MIT */
/*
 * Private memory of huge pages in a process that was forked to be captured.  Called by
 * snapshot_pages.c, under the rules of snapshot.c.
 *
 * When the process that it was forked from writes to such a page and there is no other, the kernel
 * takes the page from the copy (Linux, mm/hugetlb.c, unmap_ref_private()), which from then on looks
 * as if nobody had ever touched it there.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "rfork/snapshot.h"
#include "rfork/sys.h"

/* Pages of its own that a process has in [start, end); or a negative errno. */
static int64_t count_pages(struct rf_pagemap *pagemap, uint64_t start, uint64_t end)
{
	enum { RUNS = 64 };
	struct rf_page_run runs[RUNS];
	int64_t bytes = 0;

	while (start < end) {
		long count = rf_pagemap_runs(pagemap, start, end, runs, RUNS, &start);

		if (count < 0)
			return count;
		for (long i = 0; i < count; i++)
			bytes += (int64_t)(runs[i].end - runs[i].start);
	}
	return bytes;
}

/* Looks here first: what is taken later cannot be read. */
int rf_snapshot_check_huge(struct rf_snapshot *snapshot, const struct rf_image_mapping *image,
			   struct rf_report *report)
{
	struct rf_pagemap original;
	int64_t here, there;
	int error = rf_pagemap_open_of(&original, snapshot->original);

	if (error < 0)
		return rf_report(report, -error, "/proc/%d/pagemap: %m", snapshot->original);
	here = count_pages(&snapshot->pagemap, image->start, image->end);
	there = count_pages(&original, image->start, image->end);
	rf_pagemap_close(&original);
	if (here < 0 || there < 0)
		return rf_report(report, EFAULT, "pages of %lx-%lx cannot be found", image->start,
				 image->end);
	if (there <= here)
		return 0;
	return rf_report(report, EAGAIN,
			 "memory %lx-%lx: huge pages were written to while they were copied, and "
			 "there are too few",
			 image->start, image->end);
}
