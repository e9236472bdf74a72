/* SPDX-License-Identifier: MIT */
/*
 * Finds the pages that an image must carry.  Called in the frozen ghost: system
 * calls and the stack only.  PAGEMAP_SCAN where the kernel has it, the pagemap file
 * elsewhere; both answer alike (tests/unit/test_pagemap.c).
 */
#define _GNU_SOURCE
#include "rfork/pagemap.h"

#include <errno.h>
#include <sys/sysinfo.h>

#include "rfork/pagemap_scan.h"
#include "rfork/report.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u

/* Linux, Documentation/admin-guide/mm/pagemap.rst. */
#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE (UINT64_C(1) << 61)
#define ENTRY_GUARD (UINT64_C(1) << 58)

static long scan(struct rf_pagemap *pagemap, uint64_t start, uint64_t end,
		 struct rf_scan_region *regions, size_t capacity, uint64_t *walk_end)
{
	struct rf_scan scan = {
		.start = start,
		.end = end,
		.vec = (uintptr_t)regions,
		.vec_len = capacity,
		.category_inverted = RF_CATEGORY_FILE | RF_CATEGORY_ZERO,
		.category_mask = RF_CATEGORY_FILE | RF_CATEGORY_ZERO,
		.category_anyof_mask = RF_CATEGORY_PRESENT | RF_CATEGORY_SWAPPED,
		.return_mask = RF_CATEGORY_SWAPPED,
	};
	long count;

	if (pagemap->has_guard) {
		scan.category_anyof_mask |= RF_CATEGORY_GUARD;
		scan.return_mask |= RF_CATEGORY_GUARD;
	}
	count = rf_scan(pagemap->fd, &scan);
	*walk_end = scan.walk_end;
	return count;
}

static bool scan_works(struct rf_pagemap *pagemap)
{
	struct rf_scan_region region;
	uint64_t page = (uintptr_t)&region & ~(uint64_t)(PAGE_BYTES - 1);
	uint64_t walk_end;

	return scan(pagemap, page, page + PAGE_BYTES, &region, 1, &walk_end) >= 0;
}

static int open_path(struct rf_pagemap *pagemap, const char *path)
{
	pagemap->fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap->fd < 0)
		return pagemap->fd;
	pagemap->has_guard = true;
	pagemap->has_scan = scan_works(pagemap);
	if (!pagemap->has_scan) {
		pagemap->has_guard = false;
		pagemap->has_scan = scan_works(pagemap);
	}
	return 0;
}

int rf_pagemap_open(struct rf_pagemap *pagemap)
{
	return open_path(pagemap, "/proc/self/pagemap");
}

int rf_pagemap_open_of(struct rf_pagemap *pagemap, pid_t pid)
{
	char path[32];

	rf_format(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	return open_path(pagemap, path);
}

void rf_pagemap_close(struct rf_pagemap *pagemap)
{
	rf_sys_close(pagemap->fd);
	pagemap->fd = -1;
}

/* Collects runs and joins neighbours of the same kind. */
struct run_list {
	struct rf_page_run *runs;
	size_t capacity;
	size_t count;
};

/* Returns false when there is no room for the run. */
static bool add_run(struct run_list *list, uint64_t start, uint64_t end, enum rf_page_kind kind)
{
	struct rf_page_run *last = list->count ? &list->runs[list->count - 1] : NULL;

	if (last && last->end == start && last->kind == kind) {
		last->end = end;
		return true;
	}
	if (list->count == list->capacity)
		return false;
	list->runs[list->count++] = (struct rf_page_run){ start, end, kind };
	return true;
}

static enum rf_page_kind kind_of_categories(uint64_t categories)
{
	if (categories & RF_CATEGORY_GUARD)
		return RF_PAGES_GUARD;
	return categories & RF_CATEGORY_SWAPPED ? RF_PAGES_CAREFUL : RF_PAGES_DIRECT;
}

static long runs_by_scan(struct rf_pagemap *pagemap, uint64_t start, uint64_t end,
			 struct run_list *list, uint64_t *next)
{
	enum { REGIONS = 32 };
	struct rf_scan_region regions[REGIONS];

	while (start < end) {
		uint64_t walk_end;
		long count = scan(pagemap, start, end, regions, REGIONS, &walk_end);

		if (count < 0)
			return count;
		for (long i = 0; i < count; i++) {
			if (!add_run(list, regions[i].start, regions[i].end,
				     kind_of_categories(regions[i].categories))) {
				*next = regions[i].start;
				return (long)list->count;
			}
		}
		start = walk_end;
	}
	*next = end;
	return (long)list->count;
}

/* Whether a pagemap entry is a page of its own, and of what kind. */
static bool is_own(uint64_t entry, enum rf_page_kind *kind)
{
	if (entry & ENTRY_GUARD) {
		*kind = RF_PAGES_GUARD;
		return true;
	}
	*kind = entry & ENTRY_SWAPPED ? RF_PAGES_CAREFUL : RF_PAGES_DIRECT;
	return (entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) && !(entry & ENTRY_FILE);
}

static long runs_by_file(struct rf_pagemap *pagemap, uint64_t start, uint64_t end,
			 struct run_list *list, uint64_t *next)
{
	enum { ENTRIES = 512 };
	uint64_t entries[ENTRIES];

	while (start < end) {
		uint64_t pages = (end - start) / PAGE_BYTES;
		uint64_t want = pages < ENTRIES ? pages : ENTRIES;
		ssize_t got = rf_sys_pread(pagemap->fd, entries, want * sizeof(entries[0]),
					   start / PAGE_BYTES * sizeof(entries[0]));

		if (got == -EINTR)
			continue;
		if (got < (ssize_t)sizeof(entries[0]))
			return got < 0 ? got : -EIO;
		for (size_t i = 0; i < (size_t)got / sizeof(entries[0]); i++) {
			enum rf_page_kind kind;

			if (is_own(entries[i], &kind) &&
			    !add_run(list, start, start + PAGE_BYTES, kind)) {
				*next = start;
				return (long)list->count;
			}
			start += PAGE_BYTES;
		}
	}
	*next = end;
	return (long)list->count;
}

long rf_pagemap_runs(struct rf_pagemap *pagemap, uint64_t start, uint64_t end,
		     struct rf_page_run *runs, size_t capacity, uint64_t *next)
{
	struct run_list list = { .runs = runs, .capacity = capacity };

	if (pagemap->has_scan)
		return runs_by_scan(pagemap, start, end, &list, next);
	return runs_by_file(pagemap, start, end, &list, next);
}

void rf_pagemap_walk_begin(struct rf_pagemap_walk *walk, struct rf_pagemap *pagemap, uint64_t start,
			   uint64_t limit)
{
	walk->pagemap = pagemap;
	walk->scanned = start;
	walk->limit = limit;
	walk->count = walk->index = 0;
}

/* Makes the walk's first run one that ends above `start`; 1, 0 when there is none below `end`, or a
 * negative errno. */
static int advance_walk(struct rf_pagemap_walk *walk, uint64_t start, uint64_t end)
{
	for (;;) {
		long count;

		while (walk->index < walk->count && walk->runs[walk->index].end <= start)
			walk->index++;
		if (walk->index < walk->count)
			return walk->runs[walk->index].start < end;
		if (walk->scanned >= end)
			return 0;
		if (walk->scanned < start)
			walk->scanned = start;
		count = rf_pagemap_runs(walk->pagemap, walk->scanned, walk->limit, walk->runs,
					sizeof(walk->runs) / sizeof(walk->runs[0]), &walk->scanned);
		if (count < 0)
			return (int)count;
		walk->count = (size_t)count;
		walk->index = 0;
	}
}

long rf_pagemap_walk_runs(struct rf_pagemap_walk *walk, uint64_t start, uint64_t end,
			  struct rf_page_run *runs, size_t capacity, uint64_t *next)
{
	struct run_list list = { .runs = runs, .capacity = capacity };
	int more = 0;

	if (!walk->pagemap->has_scan) /* the file would read the gaps, too */
		return rf_pagemap_runs(walk->pagemap, start, end, runs, capacity, next);
	while (start < end && (more = advance_walk(walk, start, end)) > 0) {
		const struct rf_page_run *run = &walk->runs[walk->index];
		uint64_t from = run->start > start ? run->start : start;
		uint64_t to = run->end < end ? run->end : end;

		if (!add_run(&list, from, to, run->kind)) {
			*next = from;
			return (long)list.count;
		}
		start = to;
	}
	*next = end;
	return more < 0 ? more : (long)list.count;
}

static bool nothing_is_swapped_out(void)
{
	struct sysinfo info;

	return rf_syscall(SYS_sysinfo, &info) == 0 && info.totalswap == info.freeswap;
}

long rf_pagemap_shared_runs(uint64_t start, uint64_t end, struct rf_page_run *runs, size_t capacity,
			    uint64_t *next)
{
	enum { PAGES = 4096 };
	unsigned char resident[PAGES];
	struct run_list list = { .runs = runs, .capacity = capacity };

	*next = end;
	if (!nothing_is_swapped_out()) {
		if (!add_run(&list, start, end, RF_PAGES_CAREFUL))
			*next = start;
		return (long)list.count;
	}
	while (start < end) {
		uint64_t pages = (end - start) / PAGE_BYTES;
		uint64_t want = pages < PAGES ? pages : PAGES;
		long error = rf_syscall(SYS_mincore, start, want * PAGE_BYTES, resident);

		if (error < 0)
			return error;
		for (size_t i = 0; i < want; i++, start += PAGE_BYTES) {
			if ((resident[i] & 1) &&
			    !add_run(&list, start, start + PAGE_BYTES, RF_PAGES_CAREFUL)) {
				*next = start;
				return (long)list.count;
			}
		}
	}
	return (long)list.count;
}
