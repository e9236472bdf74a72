/* SPDX-License-Identifier: MIT */
/*
 * Brings the signal frames of all threads into the layout of this machine, where the image's memory
 * lies now.
 */
#define _GNU_SOURCE
#include "rfork/restore_frames.h"

#include <errno.h>
#include <sys/uio.h>

#include "rfork/arch.h"
#include "rfork/sys.h"

#define PAGE_BYTES UINT64_C(4096)
#define PROBES 256u /* pages that are asked for at once */

/* The mapping that has an address, if the image may write there; where that lies now in *now. */
static const struct rf_image_mapping *find(const struct rf_frames *frames, uint64_t address,
					   uint64_t *now)
{
	const uint32_t needed = RF_PROTECTION_READ | RF_PROTECTION_WRITE;
	size_t index = address + 1 > address
			       ? rf_image_find_mapping(frames->image, address, address + 1)
			       : SIZE_MAX;
	const struct rf_image_mapping *mapping;

	if (index == SIZE_MAX)
		return NULL;
	mapping = &frames->image->mappings[index];
	if ((mapping->protection & needed) != needed || rf_mapping_is_shared_file(mapping) ||
	    (frames->places->mappings[index].protection & needed) != needed)
		return NULL;
	*now = address - mapping->start + frames->places->mappings[index].address;
	return mapping;
}

static void *memory_at(void *context, uint64_t address, uint64_t bytes)
{
	uint64_t now;
	const struct rf_image_mapping *mapping = find(context, address, &now);

	return mapping && bytes <= mapping->end - address ? (void *)(uintptr_t)now : NULL;
}

/* How many of these pages can be read, up to a guard page; all, where the kernel does not say. */
static uint64_t count_readable(uint64_t address, uint64_t pages)
{
	struct iovec there[PROBES];
	unsigned char bytes[PROBES];
	const struct iovec here = { bytes, sizeof(bytes) };
	long got;

	for (uint64_t i = 0; i < pages; i++)
		there[i] = (struct iovec){ (void *)(uintptr_t)(address + i * PAGE_BYTES), 1 };
	got = rf_syscall(SYS_process_vm_readv, rf_syscall(SYS_getpid), &here, 1, there, pages, 0);
	if (got < 0)
		return got == -EFAULT ? 0 : pages;
	return (uint64_t)got;
}

static uint64_t memory_end(void *context, uint64_t address, uint64_t most)
{
	uint64_t now = 0, first = address & ~(PAGE_BYTES - 1), next = first;
	const struct rf_image_mapping *mapping = find(context, address, &now);
	uint64_t end = mapping ? mapping->end : first;

	if (end - first > most)
		end = first + most;
	now -= address - first;
	while (next < end) {
		uint64_t pages = (end - next) / PAGE_BYTES, readable;

		if (pages > PROBES)
			pages = PROBES;
		readable = count_readable(now + (next - first), pages);
		next += readable * PAGE_BYTES;
		if (readable < pages)
			break;
	}
	return next;
}

int rf_restore_frames(struct rf_frames *frames, struct rf_report *report)
{
	const struct rf_arch_memory memory = { .at = memory_at,
					       .end = memory_end,
					       .context = frames };
	int error = 0;

	for (uint32_t i = 0; i < frames->image->head.threads && error == 0; i++)
		error = rf_arch_fit_signal_frames(&frames->image->threads[i].image, frames->facts,
						  &memory, &frames->spare, report);
	return error;
}
