/* SPDX-License-Identifier: MIT */
/*
 * Marks the memory of an image by madvise(2), as it was; seals and protection keys are the plan's.
 * Used by rfork-shell and by executables that restart themselves: no errno, no malloc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "rfork/protection_keys.h"
#include "rfork/restore_region.h"
#include "rfork/sys.h"

#define RF_MAP_DROPPABLE 0x08 /* Linux 6.11; missing in older headers */

static const struct {
	uint32_t flag;
	int advice;
	bool is_hint; /* a kernel without the feature does without it */
} advices[] = {
	{ RF_MAPPING_WIPEONFORK, MADV_WIPEONFORK, false },
	{ RF_MAPPING_DONTDUMP, MADV_DONTDUMP, false },
	{ RF_MAPPING_DONTFORK, MADV_DONTFORK, false },
	{ RF_MAPPING_HUGEPAGE, MADV_HUGEPAGE, true },
	{ RF_MAPPING_NOHUGEPAGE, MADV_NOHUGEPAGE, true },
	{ RF_MAPPING_MERGEABLE, MADV_MERGEABLE, true },
	{ RF_MAPPING_RANDOM, MADV_RANDOM, false },
	{ RF_MAPPING_SEQUENTIAL, MADV_SEQUENTIAL, false },
};

static int fail(const struct rf_image_mark *mark, long error, const char *what,
		struct rf_report *report)
{
	return rf_report(report, ENOTSUP, "mapping %lx-%lx cannot be %s: %s", mark->start,
			 mark->end, what, strerrordesc_np((int)-error));
}

/* Memory that the kernel may drop begins as such: it is made anew, without what it held, which the
 * program must be able to do without at any time.  A kernel that has none does without it. */
static void make_droppable(const struct rf_image_mark *mark, uint64_t address, uint32_t protection)
{
	rf_sys_mmap(address, mark->end - mark->start, (int)protection,
		    RF_MAP_DROPPABLE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static int mark_one(const struct rf_image_mark *mark, uint64_t address, struct rf_report *report)
{
	for (unsigned i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		long error;

		if (!(mark->flags & advices[i].flag))
			continue;
		error = rf_sys_madvise(address, mark->end - mark->start, advices[i].advice);
		if (error < 0 && !(advices[i].is_hint && error == -EINVAL))
			return fail(mark, error, "marked as it was", report);
	}
	return 0;
}

int rf_restore_marks(const struct rf_image *image, const struct rf_places *places,
		     struct rf_report *report)
{
	int error = rf_keys_allocate(image->process.protection_keys, report);

	for (uint32_t i = 0; i < image->mark_count && error == 0; i++) {
		const struct rf_image_mark *mark = &image->marks[i];
		size_t index = rf_image_find_mapping(image, mark->start, mark->end);
		const struct rf_place *place = &places->mappings[index];
		uint64_t address = mark->start - image->mappings[index].start + place->address;

		if (mark->flags & RF_MAPPING_DROPPABLE)
			make_droppable(mark, address, place->protection);
		error = mark_one(mark, address, report);
		/* of nothing: whether the kernel has the call (Linux 6.10) */
		if (error == 0 && mark->flags & RF_MAPPING_SEALED &&
		    rf_syscall(RF_SYS_MSEAL, 0, 0, 0) == -ENOSYS)
			error = fail(mark, -ENOSYS, "sealed", report);
	}
	return error;
}
