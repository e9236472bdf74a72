/* SPDX-License-Identifier: MIT */
/*
 * How mappings are marked, by madvise(2) and mseal(2).  Called by the ghost and by holders, under
 * the rules of snapshot.c: as late as possible, for the kernel takes its time to tell.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "rfork/smaps.h"
#include "rfork/snapshot.h"
#include "rfork/sys.h"

#define BATCH 256u

struct marking {
	const struct rf_snapshot *snapshot;
	struct rf_image_writer *writer;
	size_t next; /* of the snapshot's mappings */
	struct rf_image_mark marks[BATCH];
	size_t count;
	int error;
};

static void flush(struct marking *marking)
{
	struct iovec piece = { marking->marks, marking->count * sizeof(marking->marks[0]) };
	int error = 0;

	if (marking->count)
		error = rf_image_write(marking->writer, RF_RECORD_MARKS, &piece, 1);
	if (error < 0 && !marking->error)
		marking->error = error;
	marking->count = 0;
}

/* Whether the next mapping is one with the last one that was marked, and marked alike. */
static bool continues_last(const struct marking *marking, uint32_t flags, uint32_t key)
{
	const struct rf_snapshot_mapping *mapping = &marking->snapshot->mappings[marking->next];
	const struct rf_image_mark *last = &marking->marks[marking->count - 1];

	return mapping->is_continued && marking->count && last->end == mapping->image.start &&
	       last->flags == flags && last->key == key;
}

/* The kernel's own key, of memory that can only be executed, is not the process's. */
static uint32_t find_key(const struct rf_snapshot *snapshot, uint32_t key)
{
	return rf_keys_have(snapshot->process.protection_keys, key) ? key : 0;
}

/* The kernel may have joined memory that is no part of the image to a mapping that is. */
static void visit(void *context, const struct rf_smaps_mapping *found)
{
	struct marking *marking = context;
	const struct rf_snapshot *snapshot = marking->snapshot;

	for (; marking->next < snapshot->mapping_count; marking->next++) {
		const struct rf_snapshot_mapping *mapping = &snapshot->mappings[marking->next];
		const struct rf_image_mapping *image = &mapping->image;
		uint32_t flags = (found->flags & RF_MAPPING_MARKS) | mapping->marks;
		uint32_t key = find_key(snapshot, mapping->key ? mapping->key : found->key);

		if (image->start >= found->end)
			return;
		if (!(flags | key) || image->start < found->start || image->end > found->end)
			continue;
		if (continues_last(marking, flags, key)) {
			marking->marks[marking->count - 1].end = image->end;
			continue;
		}
		if (marking->count == BATCH)
			flush(marking);
		marking->marks[marking->count++] = (struct rf_image_mark){
			.start = image->start, .end = image->end, .flags = flags, .key = key
		};
	}
}

int rf_snapshot_write_marks(struct rf_snapshot *snapshot, struct rf_image_writer *writer)
{
	struct marking marking = { .snapshot = snapshot, .writer = writer };
	/* a holder may be written more than once */
	int error = (int)rf_syscall(SYS_lseek, snapshot->smaps_fd, 0, SEEK_SET);

	if (error == 0)
		error = rf_smaps_read(snapshot->smaps_fd, visit, &marking);
	if (error < 0)
		return error;
	flush(&marking);
	return marking.error;
}
