/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a process hold data of its own: written private pages,
 * and nothing that is only reserved, the zero page, or a page of a file.  Looking
 * never faults a page in.
 */
#ifndef RF_PAGEMAP_H
#define RF_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum rf_page_kind {
	RF_PAGES_DIRECT,  /* in memory: readable where it lies if the mapping is */
	RF_PAGES_CAREFUL, /* swapped out, or perhaps not readable: read through the kernel */
	RF_PAGES_GUARD,	  /* MADV_GUARD_INSTALL */
};

struct rf_page_run {
	uint64_t start, end;
	enum rf_page_kind kind;
};

struct rf_pagemap {
	int fd;
	bool has_scan;	/* PAGEMAP_SCAN, Linux 6.7 */
	bool has_guard; /* PAGE_IS_GUARD, Linux 6.15 */
};

/* Opens /proc/self/pagemap; 0 or a negative errno.  No malloc, no errno. */
int rf_pagemap_open(struct rf_pagemap *pagemap);
/* The same of another process. */
int rf_pagemap_open_of(struct rf_pagemap *pagemap, pid_t pid);
void rf_pagemap_close(struct rf_pagemap *pagemap);

/*
 * Writes the runs of own pages in [start, end) to runs, at most `capacity` of them, in ascending
 * order, and the address from where to go on to *next (end when all was seen).
 * Returns the number of runs, or a negative errno.
 */
long rf_pagemap_runs(struct rf_pagemap *pagemap, uint64_t start, uint64_t end,
		     struct rf_page_run *runs, size_t capacity, uint64_t *next);

/*
 * A walk over the whole address space, mapping by mapping in ascending order: one scan by the
 * kernel serves many small mappings.  Lives in the ghost's arena or stack.
 */
struct rf_pagemap_walk {
	struct rf_pagemap *pagemap;
	uint64_t scanned; /* everything below has been asked for */
	uint64_t limit;
	size_t count, index; /* of runs: what was found and not yet taken */
	struct rf_page_run runs[128];
};

/* Starts a walk over [start, limit). */
void rf_pagemap_walk_begin(struct rf_pagemap_walk *walk, struct rf_pagemap *pagemap, uint64_t start,
			   uint64_t limit);

/* As rf_pagemap_runs(); start must not be below the end of what was asked for before. */
long rf_pagemap_walk_runs(struct rf_pagemap_walk *walk, uint64_t start, uint64_t end,
			  struct rf_page_run *runs, size_t capacity, uint64_t *next);

/*
 * The same for a shared mapping, whose pages a fork child cannot see in its own page table: the
 * pages that the page cache holds, by mincore(2).  Where pages may be swapped out, every page.
 */
long rf_pagemap_shared_runs(uint64_t start, uint64_t end, struct rf_page_run *runs, size_t capacity,
			    uint64_t *next);

#endif
