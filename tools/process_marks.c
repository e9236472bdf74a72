/* SPDX-License-Identifier: MIT */
/*
 * How the memory of a stopped process is locked and marked, and under which protection keys it is,
 * once its mappings are known.  Called by process_memory.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/protection_keys.h"
#include "rfork/report.h"
#include "rfork/smaps.h"
#include "tools/process_internal.h"

#define PAGE_BYTES 4096u

struct marking {
	struct rf_image *image;
	uint32_t next; /* of its mappings */
};

/* The kernel may have joined memory that is no part of the image to a mapping that is. */
static void mark(void *context, const struct rf_smaps_mapping *found)
{
	struct marking *marking = context;
	struct rf_image *image = marking->image;
	uint32_t flags = found->flags & RF_MAPPING_MARKS;
	uint32_t key = rf_keys_have(image->process.protection_keys, found->key) ? found->key : 0;

	for (; marking->next < image->mappings_read; marking->next++) {
		struct rf_image_mapping *mapping = &image->mappings[marking->next];

		if (mapping->start >= found->end)
			return;
		if (mapping->start < found->start || mapping->end > found->end)
			continue;
		mapping->flags |= found->flags & RF_MAPPING_LOCKS;
		if (flags | key)
			image->marks[image->mark_count++] =
				(struct rf_image_mark){ .start = mapping->start,
							.end = mapping->end,
							.flags = flags,
							.key = key };
	}
}

/* As rf_keys_allocated(), which only the process itself can ask. */
static int find_keys(struct rf_process *process, struct rf_report *report)
{
	struct rf_tracees *tracees = &process->tracees;
	uint32_t *keys = &process->source->image.process.protection_keys;
	int error = 0;

	if (!rf_keys_exist() || !process->can_call)
		return 0;
	for (uint32_t key = 1; key < RF_PROTECTION_KEYS && error == 0; key++) {
		long result = 0;

		error = rf_tracee_call(tracees, &tracees->threads[0], &result, report,
				       SYS_pkey_mprotect, RF_ARCH_NO_MEMORY, PAGE_BYTES, PROT_NONE,
				       key);
		*keys |= (uint32_t)(result == -ENOMEM) << key;
	}
	return error;
}

static int find_marks(struct rf_process *process, struct rf_report *report)
{
	struct rf_image *image = &process->source->image;
	struct marking marking = { .image = image };
	char path[32];
	int fd, error;

	image->marks = calloc(image->mappings_read + 1, sizeof(*image->marks));
	if (!image->marks)
		return rf_report(report, ENOMEM, "no memory for the list of mappings");
	rf_format(path, sizeof(path), "/proc/%d/smaps", (int)process->tracees.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rf_report(report, errno, "%s: %m", path);
	error = rf_smaps_read(fd, mark, &marking);
	close(fd);
	return error < 0 ? rf_report(report, -error, "%s: %m", path) : 0;
}

/* An executable may be started often, while the process runs on: that is as after a fork, where the
 * state of random generators is not to be there twice. */
static void wipe(struct rf_source *source)
{
	size_t kept = 0;

	for (size_t i = 0; i < source->segment_count; i++) {
		const struct rf_segment *segment = &source->segments[i];

		if (!rf_image_is_marked(&source->image, segment->address,
					segment->address + segment->bytes, RF_MAPPING_WIPEONFORK))
			source->segments[kept++] = *segment;
	}
	source->segment_count = kept;
}

int rf_process_read_marks(struct rf_process *process, struct rf_report *report)
{
	int error = find_keys(process, report);

	if (error == 0)
		error = find_marks(process, report);
	if (error == 0)
		wipe(process->source);
	return error;
}
