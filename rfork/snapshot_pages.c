/* SPDX-License-Identifier: MIT */
/*
 * The pages of a snapshot: finds those that must be carried, and writes them.  Called by
 * snapshot.c and the ghost after the capture point, under the same rules.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "rfork/digest.h"
#include "rfork/snapshot.h"
#include "rfork/zero_page.h"

#define PAGE_BYTES 4096u
#define RUNS_KEPT 16384u

long rf_snapshot_find_runs(struct rf_pagemap_walk *walk, const struct rf_snapshot_mapping *mapping,
			   uint64_t start, struct rf_page_run *runs, size_t capacity,
			   uint64_t *next)
{
	const struct rf_image_mapping *image = &mapping->image;

	switch (mapping->source) {
	case RF_SOURCE_PRIVATE:
		return rf_pagemap_walk_runs(walk, start, image->end, runs, capacity, next);
	case RF_SOURCE_SHARED:
		return rf_pagemap_shared_runs(start, image->end, runs, capacity, next);
	case RF_SOURCE_CONTENTS:
		*next = image->end;
		if (!capacity) {
			*next = start;
			return 0;
		}
		runs[0] = (struct rf_page_run){ start, image->end, RF_PAGES_CAREFUL };
		return 1;
	case RF_SOURCE_OWN:
		*next = capacity ? image->end : start;
		if (capacity)
			runs[0] = (struct rf_page_run){ start, image->end, RF_PAGES_DIRECT };
		return capacity ? 1 : 0;
	case RF_SOURCE_NONE:
		break;
	}
	*next = image->end;
	return 0;
}

static void count_data_pages(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping)
{
	for (size_t i = 0; i < mapping->runs; i++) {
		const struct rf_page_run *run = &snapshot->runs[mapping->first_run + i];

		if (run->kind != RF_PAGES_GUARD)
			mapping->image.data_pages += (run->end - run->start) / PAGE_BYTES;
	}
}

static void begin_walk(struct rf_pagemap_walk *walk, struct rf_snapshot *snapshot)
{
	if (snapshot->mapping_count)
		rf_pagemap_walk_begin(walk, &snapshot->pagemap, snapshot->mappings[0].image.start,
				      snapshot->mappings[snapshot->mapping_count - 1].image.end);
}

int rf_snapshot_find_pages(struct rf_snapshot *snapshot, struct rf_report *report)
{
	struct rf_pagemap_walk walk;
	int error = snapshot->pagemap.fd < 0 ? rf_pagemap_open(&snapshot->pagemap) : 0;

	if (error < 0)
		return rf_report(report, -error, "/proc/self/pagemap: %m");
	snapshot->run_capacity = RUNS_KEPT;
	snapshot->runs = rf_snapshot_take(snapshot, RUNS_KEPT * sizeof(*snapshot->runs));
	if (!snapshot->runs)
		return rf_report(report, ENOMEM, "no room for the list of pages");
	begin_walk(&walk, snapshot);
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		struct rf_snapshot_mapping *mapping = &snapshot->mappings[i];
		uint64_t next = mapping->image.start;
		long count = rf_snapshot_find_runs(&walk, mapping, next,
						   snapshot->runs + snapshot->run_count,
						   snapshot->run_capacity - snapshot->run_count,
						   &next);

		if (count < 0)
			return rf_report(report, (int)-count, "pages of %lx-%lx: %m",
					 mapping->image.start, mapping->image.end);
		mapping->first_run = snapshot->run_count;
		mapping->runs = (size_t)count;
		mapping->runs_complete = next == mapping->image.end;
		snapshot->run_count += (size_t)count;
		count_data_pages(snapshot, mapping);
		if (snapshot->original && mapping->source == RF_SOURCE_PRIVATE &&
		    rf_mapping_huge_bytes(&mapping->image))
			error = rf_snapshot_check_huge(snapshot, &mapping->image, report);
		if (error < 0)
			return error;
	}
	return 0;
}

/* A huge page may be taken from a fork child when its parent writes to it and there is no other
 * (hugetlb in Linux, mm/hugetlb.c): the kernel must say so, rather than a signal. */
static bool can_be_read_in_place(const struct rf_snapshot_mapping *mapping,
				 const struct rf_page_run *run)
{
	return run->kind == RF_PAGES_DIRECT && mapping->image.protection & RF_PROTECTION_READ &&
	       !rf_mapping_huge_bytes(&mapping->image);
}

static enum rf_unreadable find_unreadable(const struct rf_snapshot_mapping *mapping)
{
	if (mapping->source != RF_SOURCE_PRIVATE)
		return RF_UNREADABLE_IS_LEFT_OUT;
	return rf_mapping_huge_bytes(&mapping->image) ? RF_UNREADABLE_FAILS
						      : RF_UNREADABLE_IS_GUARD;
}

static int write_run(struct rf_image_writer *writer, const struct rf_snapshot_mapping *mapping,
		     const struct rf_page_run *run)
{
	uint64_t pages = (run->end - run->start) / PAGE_BYTES;

	if (run->kind == RF_PAGES_GUARD)
		return rf_image_write_guard(writer, run->start, pages);
	if (can_be_read_in_place(mapping, run))
		return rf_image_write_pages(writer, run->start, pages);
	return rf_image_write_pages_careful(writer, run->start, pages, find_unreadable(mapping));
}

int rf_snapshot_for_each_run(struct rf_snapshot *snapshot,
			     const struct rf_snapshot_mapping *mapping, rf_snapshot_visit visit,
			     void *context)
{
	enum { RUNS = 256 };
	struct rf_page_run runs[RUNS];
	struct rf_pagemap_walk walk;
	uint64_t next = mapping->image.start;
	int error = 0;

	if (mapping->runs_complete) {
		for (size_t i = 0; i < mapping->runs && error >= 0; i++)
			error = visit(context, mapping, &snapshot->runs[mapping->first_run + i]);
		return error;
	}
	rf_pagemap_walk_begin(&walk, &snapshot->pagemap, next, mapping->image.end);
	while (next < mapping->image.end && error >= 0) {
		long count = rf_snapshot_find_runs(&walk, mapping, next, runs, RUNS, &next);

		if (count < 0)
			return (int)count;
		for (long i = 0; i < count && error >= 0; i++)
			error = visit(context, mapping, &runs[i]);
	}
	return error;
}

static int visit_write(void *context, const struct rf_snapshot_mapping *mapping,
		       const struct rf_page_run *run)
{
	return write_run(context, mapping, run);
}

int rf_snapshot_write_pages(struct rf_snapshot *snapshot, struct rf_image_writer *writer)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		int error;

		/* a page of a file that was overwritten with zeros must not become the file's
		 * again */
		writer->keeps_zeros = snapshot->mappings[i].image.kind == RF_MAPPING_FILE ||
				      snapshot->mappings[i].image.kind == RF_MAPPING_OBJECT;
		error = rf_snapshot_for_each_run(snapshot, &snapshot->mappings[i], visit_write,
						 writer);
		if (error < 0)
			return error;
	}
	writer->keeps_zeros = false;
	return rf_image_writer_flush(writer);
}

static int visit_guard(void *context, const struct rf_snapshot_mapping *mapping,
		       const struct rf_page_run *run)
{
	(void)mapping;
	return run->kind == RF_PAGES_GUARD
		       ? rf_image_write_guard(context, run->start,
					      (run->end - run->start) / PAGE_BYTES)
		       : 0;
}

int rf_snapshot_write_guards(struct rf_snapshot *snapshot, struct rf_image_writer *writer)
{
	int error = 0;

	for (size_t i = 0; i < snapshot->mapping_count && error >= 0; i++)
		error = rf_snapshot_for_each_run(snapshot, &snapshot->mappings[i], visit_guard,
						 writer);
	return error < 0 ? error : rf_image_writer_flush(writer);
}

/* The mapping of that number in the image, which does not count those that are continued; NULL if
 * there is none.  The node asks for one after the other: each time it goes on from the last. */
static const struct rf_image_mapping *find_counted(struct rf_snapshot *snapshot, uint32_t index)
{
	size_t *at = &snapshot->counted_mapping;

	if (index < snapshot->counted || !snapshot->counted)
		*at = snapshot->counted = 0;
	for (; *at < snapshot->mapping_count; ++*at) {
		if (snapshot->mappings[*at].is_continued)
			continue;
		if (snapshot->counted == index)
			return &snapshot->mappings[*at].image;
		snapshot->counted++;
	}
	snapshot->counted = 0;
	return NULL;
}

int rf_snapshot_write_lacking(struct rf_snapshot *snapshot, struct rf_image_writer *writer,
			      uint32_t index)
{
	const struct rf_image_mapping *mapping = find_counted(snapshot, index);

	if (!mapping || mapping->kind != RF_MAPPING_FILE)
		return -EBADMSG;
	return rf_image_write_pages_careful(writer, mapping->start,
					    (mapping->end - mapping->start) / PAGE_BYTES,
					    RF_UNREADABLE_IS_LEFT_OUT);
}

static void add_to_digest(uint64_t *digest, uint64_t start, uint64_t end)
{
	const uint64_t parts[3] = { *digest, start, end };

	*digest = rf_digest64(parts, sizeof(parts));
}

/* Page by page, for without PAGEMAP_SCAN the kernel's page of zeros is seen as one of the
 * process's, and there it is wherever somebody has looked at a hole. */
static int visit_digest(void *context, const struct rf_snapshot_mapping *mapping,
			const struct rf_page_run *run)
{
	uint64_t *digest = context;

	if (!can_be_read_in_place(mapping, run)) {
		add_to_digest(digest, run->start, run->end);
		return 0;
	}
	for (uint64_t page = run->start; page < run->end; page += PAGE_BYTES) {
		const void *data = (const void *)(uintptr_t)page;

		if (mapping->image.kind != RF_MAPPING_FILE &&
		    mapping->image.kind != RF_MAPPING_OBJECT && rf_is_zero_page(data))
			continue;
		*digest ^= rf_digest64(data, PAGE_BYTES);
		add_to_digest(digest, page, page + PAGE_BYTES);
	}
	return 0;
}

uint64_t rf_snapshot_digest(struct rf_snapshot *snapshot)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		struct rf_snapshot_mapping mapping = snapshot->mappings[i];

		mapping.runs_complete = false; /* what the page table says now */
		rf_snapshot_for_each_run(snapshot, &mapping, visit_digest, &digest);
	}
	return digest;
}
