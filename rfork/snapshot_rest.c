/* SPDX-License-Identifier: MIT */
/*
 * The pages of a snapshot that goes to rest: shared memory is copied, and what must be carried is
 * planned into a statefile.  Called in the frozen process that holds a checkpoint.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "rfork/smaps.h"
#include "rfork/snapshot.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u

/* rf_statefile_segment.how */
enum { IN_PLACE, THROUGH_KERNEL };

/* -- memory that is shared with others -------------------------------------------------------- */

/* Copies a run of pages; one that cannot be read stays zero, but for one of a huge page, which has
 * been taken away for want of others. */
static int copy_run(const struct rf_page_run *run, int memory_fd, int64_t distance, bool is_whole)
{
	uint64_t at = run->start;

	while (at < run->end) {
		ssize_t got = rf_sys_pread(memory_fd, (void *)(at + (uint64_t)distance),
					   run->end - at, at);

		if (got == -EINTR)
			continue;
		if (got < 0 && (is_whole || (got != -EIO && got != -EFAULT)))
			return (int)got;
		at += got > 0 ? (uint64_t)got : PAGE_BYTES;
		at -= at % PAGE_BYTES;
	}
	return 0;
}

static int copy_runs(struct rf_snapshot *snapshot, const struct rf_snapshot_mapping *mapping,
		     int memory_fd, int64_t distance)
{
	enum { RUNS = 64 };
	struct rf_page_run runs[RUNS];
	struct rf_pagemap_walk walk;
	uint64_t next = mapping->image.start;
	int error = 0;

	rf_pagemap_walk_begin(&walk, &snapshot->pagemap, next, mapping->image.end);
	while (next < mapping->image.end && error == 0) {
		long count = rf_snapshot_find_runs(&walk, mapping, next, runs, RUNS, &next);

		if (count < 0)
			return (int)count;
		for (long i = 0; i < count && error == 0; i++)
			error = copy_run(&runs[i], memory_fd, distance, !mapping->is_shared);
	}
	return error;
}

static int unshare_mapping(struct rf_snapshot *snapshot, struct rf_snapshot_mapping *mapping,
			   int memory_fd)
{
	uint64_t start = mapping->image.start, bytes = mapping->image.end - start;
	long copy = rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long moved;
	int error;

	if (copy < 0 && copy > -4096)
		return (int)copy;
	error = copy_runs(snapshot, mapping, memory_fd, copy - (long)start);
	if (error < 0)
		return error;
	moved = rf_syscall(SYS_mremap, copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, start);
	if (moved != (long)start)
		return (int)moved;
	mapping->source = RF_SOURCE_PRIVATE;
	return 0;
}

/* The kernel may take huge pages from this process for the one that it was forked from. */
static bool is_borrowed(const struct rf_snapshot_mapping *mapping)
{
	return (mapping->is_shared && mapping->source != RF_SOURCE_NONE) ||
	       rf_mapping_huge_bytes(&mapping->image);
}

static bool is_any_borrowed(const struct rf_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++)
		if (is_borrowed(&snapshot->mappings[i]))
			return true;
	return false;
}

struct noting {
	struct rf_snapshot *snapshot;
	size_t next; /* of its mappings */
};

static void note_marks(void *context, const struct rf_smaps_mapping *found)
{
	struct noting *noting = context;
	struct rf_snapshot *snapshot = noting->snapshot;

	for (; noting->next < snapshot->mapping_count; noting->next++) {
		struct rf_snapshot_mapping *mapping = &snapshot->mappings[noting->next];

		if (mapping->image.start >= found->end)
			return;
		if (mapping->image.start < found->start || !is_borrowed(mapping))
			continue;
		mapping->marks = found->flags & RF_MAPPING_MARKS;
		mapping->key = found->key;
	}
}

static int copy_borrowed(struct rf_snapshot *snapshot, int memory_fd, struct rf_report *report)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		struct rf_snapshot_mapping *mapping = &snapshot->mappings[i];
		int error;

		if (!is_borrowed(mapping))
			continue;
		if (!mapping->is_shared &&
		    rf_snapshot_check_huge(snapshot, &mapping->image, report) < 0)
			return -report->error;
		error = unshare_mapping(snapshot, mapping, memory_fd);
		if (error == -EPERM)
			return rf_report(
				report, ENOTSUP,
				"memory %lx-%lx: it is shared, and mseal(2) keeps the copy "
				"from its place",
				mapping->image.start, mapping->image.end);
		if (error < 0)
			return rf_report(report, -error, "copying the memory at %lx-%lx: %m",
					 mapping->image.start, mapping->image.end);
	}
	return 0;
}

int rf_snapshot_unshare(struct rf_snapshot *snapshot, int memory_fd, struct rf_report *report)
{
	struct noting noting = { .snapshot = snapshot };
	int error = 0;

	/* a copy is not marked */
	if (is_any_borrowed(snapshot))
		error = rf_smaps_read(snapshot->smaps_fd, note_marks, &noting);
	if (error < 0)
		return rf_report(report, -error, "/proc/self/smaps: %m");
	error = copy_borrowed(snapshot, memory_fd, report);
	snapshot->original = 0; /* what becomes of its memory concerns nobody any more */
	return error;
}

/* -- files that others have replaced ---------------------------------------------------------- */

/* Whether the path still leads to the file that is mapped. */
static bool is_in_place(const struct rf_snapshot_file *file)
{
	struct stat status;

	return rf_sys_stat(file->path, &status) == 0 && status.st_dev == file->image.device &&
	       status.st_ino == file->image.inode;
}

void rf_snapshot_carry_replaced(struct rf_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		struct rf_snapshot_mapping *mapping = &snapshot->mappings[i];
		struct rf_image_mapping *image = &mapping->image;

		if (image->kind != RF_MAPPING_FILE ||
		    (image->flags & RF_MAPPING_SHARED && image->protection & RF_PROTECTION_WRITE) ||
		    is_in_place(&snapshot->files[image->file]))
			continue;
		image->kind = RF_MAPPING_CONTENTS;
		image->flags &= ~RF_MAPPING_SHARED;
		mapping->source = RF_SOURCE_CONTENTS;
	}
}

/* -- the plan --------------------------------------------------------------------------------- */

/* Pages that perhaps cannot be read: tries it.  What cannot is a guard page, or behind the end of a
 * file. */
static int plan_carefully(const struct rf_snapshot_plan *plan,
			  const struct rf_snapshot_mapping *mapping, const struct rf_page_run *run)
{
	uint64_t at = run->start;
	int error = 0;

	while (at < run->end && error == 0) {
		uint64_t left = run->end - at;
		uint64_t bytes = left < RF_CHUNK_BYTES ? left : RF_CHUNK_BYTES;
		ssize_t got = rf_sys_pread(plan->memory_fd, plan->bounce, bytes, at);

		if (got == -EINTR)
			continue;
		if (got < 0 && got != -EIO && got != -EFAULT)
			return (int)got;
		bytes = got > 0 ? (uint64_t)got / PAGE_BYTES * PAGE_BYTES : 0;
		if (bytes) {
			error = rf_statefile_plan(plan->writer, at, bytes / PAGE_BYTES,
						  RF_SEGMENT_DATA, THROUGH_KERNEL);
		} else {
			bytes = PAGE_BYTES;
			if (mapping->source == RF_SOURCE_PRIVATE)
				error = rf_statefile_plan(plan->writer, at, 1, RF_SEGMENT_GUARD, 0);
		}
		at += bytes;
	}
	return error;
}

int rf_snapshot_plan_run(const struct rf_snapshot_plan *plan,
			 const struct rf_snapshot_mapping *mapping, const struct rf_page_run *run)
{
	uint64_t pages = (run->end - run->start) / PAGE_BYTES;

	if (run->kind == RF_PAGES_GUARD)
		return rf_statefile_plan(plan->writer, run->start, pages, RF_SEGMENT_GUARD, 0);
	if (run->kind == RF_PAGES_DIRECT && mapping->image.protection & RF_PROTECTION_READ)
		return rf_statefile_plan(plan->writer, run->start, pages, RF_SEGMENT_DATA,
					 IN_PLACE);
	return plan_carefully(plan, mapping, run);
}

static int visit_plan(void *context, const struct rf_snapshot_mapping *mapping,
		      const struct rf_page_run *run)
{
	return rf_snapshot_plan_run(context, mapping, run);
}

bool rf_snapshot_has_zeros_between(const struct rf_snapshot_mapping *mapping)
{
	return mapping->image.kind == RF_MAPPING_ANONYMOUS &&
	       mapping->source == RF_SOURCE_PRIVATE &&
	       mapping->image.protection & RF_PROTECTION_READ;
}

int rf_snapshot_plan_pages(struct rf_snapshot *snapshot, struct rf_snapshot_plan *plan)
{
	int error = 0;

	for (size_t i = 0; i < snapshot->mapping_count && error == 0; i++) {
		const struct rf_snapshot_mapping *mapping = &snapshot->mappings[i];

		rf_statefile_mapping(plan->writer, rf_snapshot_has_zeros_between(mapping));
		error = rf_snapshot_for_each_run(snapshot, mapping, visit_plan, plan);
	}
	return error;
}

int rf_snapshot_look(void *context, const struct rf_statefile_segment *segment, uint64_t address,
		     size_t bytes, void *bounce, const void **data)
{
	const int *memory_fd = context;
	size_t done = 0;

	*data = segment->how == IN_PLACE ? (const void *)address : bounce;
	while (segment->how == THROUGH_KERNEL && done < bytes) {
		ssize_t got = rf_sys_pread(*memory_fd, (char *)bounce + done, bytes - done,
					   address + done);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? (int)got : -EIO;
		done += (size_t)got;
	}
	return 0;
}
