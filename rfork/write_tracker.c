/* SPDX-License-Identifier: MIT */
/*
 * Write tracking of the calling process, for incremental checkpoints.  Called in the pause of a
 * checkpoint, with signals blocked.
 */
#define _GNU_SOURCE
#include "rfork/write_tracker.h"

#include <errno.h>
#include <linux/userfaultfd.h>

#include "rfork/maps.h"
#include "rfork/pagemap_scan.h"

#define PAGE_BYTES 4096u
/* Where a process ends that asks for no more: what lies above is not tracked. */
#define ADDRESS_END ((UINT64_C(1) << 47) - PAGE_BYTES)

/* Linux 6.1 and 6.7, include/uapi/linux/userfaultfd.h; missing in older headers. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif

/* -- the descriptor ------------------------------------------------------------------------- */

bool rf_write_tracker_is_on(const struct rf_write_tracker *tracker)
{
	return rf_kept_fd_is_open(&tracker->uffd) && tracker->pid == (pid_t)rf_syscall(SYS_getpid);
}

int rf_write_tracker_start(struct rf_write_tracker *tracker)
{
	struct uffdio_api api = { .api = UFFD_API,
				  .features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED };
	int error;

	*tracker = RF_WRITE_TRACKER_NONE;
	error = rf_kept_fd_take(&tracker->uffd,
				(int)rf_syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY));
	if (error == 0)
		error = rf_sys_ioctl(tracker->uffd.fd, UFFDIO_API, &api);
	tracker->pid = (pid_t)rf_syscall(SYS_getpid);
	if (error < 0)
		rf_write_tracker_stop(tracker);
	return error;
}

void rf_write_tracker_stop(struct rf_write_tracker *tracker)
{
	rf_kept_fd_close(&tracker->uffd);
	*tracker = RF_WRITE_TRACKER_NONE;
}

/* -- lists ---------------------------------------------------------------------------------- */

static void add_range(struct rf_range_list *list, uint64_t start, uint64_t end)
{
	struct rf_page_range *last = list->count ? &list->ranges[list->count - 1] : NULL;

	if (last && last->end == start)
		last->end = end;
	else if (list->count < list->capacity)
		list->ranges[list->count++] = (struct rf_page_range){ start, end };
	else
		list->is_full = true;
}

/* -- one mapping ---------------------------------------------------------------------------- */

struct look {
	const struct rf_write_tracker *tracker;
	int pagemap;
	struct rf_range_list *unchanged;
};

/* Whether the kernel tracks writes to it.  By whom, it does not say. */
static bool is_tracked(const struct look *look, const struct rf_map *map)
{
	struct rf_scan_region region;
	struct rf_scan scan = { .start = map->start,
				.end = map->start + PAGE_BYTES,
				.vec = (uintptr_t)&region,
				.vec_len = 1,
				.category_mask = RF_CATEGORY_TRACKED,
				.return_mask = RF_CATEGORY_TRACKED };

	return rf_scan(look->pagemap, &scan) == 1;
}

/* Fails for a mapping that the program itself has registered with a descriptor of its own. */
static int track(const struct look *look, const struct rf_map *map)
{
	struct uffdio_register range = { .range = { map->start, map->end - map->start },
					 .mode = UFFDIO_REGISTER_MODE_WP };

	return rf_sys_ioctl(look->tracker->uffd.fd, UFFDIO_REGISTER, &range);
}

static void untrack(const struct look *look, const struct rf_map *map)
{
	struct uffdio_range range = { map->start, map->end - map->start };

	rf_sys_ioctl(look->tracker->uffd.fd, UFFDIO_UNREGISTER, &range);
}

/* The kernel drops the registration of what mremap(2) moves, and of a neighbour that it joins with
 * it, and marks may stay: a page that has one already would not be protected. */
static int clear_marks(const struct look *look, const struct rf_map *map)
{
	struct uffdio_writeprotect clear = { .range = { map->start, map->end - map->start } };
	int error;

	do
		error = rf_sys_ioctl(look->tracker->uffd.fd, UFFDIO_WRITEPROTECT, &clear);
	while (error == -EAGAIN || error == -EINTR);
	return error;
}

/* Protects every page that is there; lists those that were protected if the marks can be
 * trusted. */
static void protect(const struct look *look, const struct rf_map *map, bool is_trusted)
{
	enum { REGIONS = 64 };
	struct rf_scan_region regions[REGIONS];
	struct rf_scan scan = { .flags = RF_SCAN_PROTECT | RF_SCAN_CHECK_TRACKED,
				.end = map->end,
				.vec = (uintptr_t)regions,
				.vec_len = REGIONS,
				.category_anyof_mask = RF_CATEGORY_PRESENT | RF_CATEGORY_SWAPPED,
				.return_mask = RF_CATEGORY_WRITTEN };

	for (scan.start = map->start; scan.start < map->end; scan.start = scan.walk_end) {
		long count = rf_scan(look->pagemap, &scan);

		if (count < 0 || scan.walk_end <= scan.start)
			return; /* the rest is not listed, and keeps what marks it has */
		for (long i = 0; is_trusted && i < count; i++)
			if (!(regions[i].categories & RF_CATEGORY_WRITTEN))
				add_range(look->unchanged, regions[i].start, regions[i].end);
	}
}

static void look_at(const struct look *look, const struct rf_map *map)
{
	bool was_tracked = is_tracked(look, map);

	if (track(look, map) < 0)
		return;
	if (!was_tracked && clear_marks(look, map) < 0) {
		untrack(look, map);
		return;
	}
	protect(look, map, was_tracked);
}

/* Not those of files, private as they may be: there a mark outlives its page, and
 * MADV_GUARD_INSTALL never returns from a range that has one (Linux 6.18,
 * zap_install_uffd_wp_if_needed() in mm/memory.c). */
static bool can_track(const struct rf_map *map)
{
	return !map->shared && map->end <= ADDRESS_END &&
	       (map->kind == RF_MAP_ANONYMOUS || map->kind == RF_MAP_STACK);
}

/* -- the whole ------------------------------------------------------------------------------ */

int rf_write_tracker_look(struct rf_write_tracker *tracker, void *maps_buffer,
			  size_t maps_buffer_bytes, struct rf_range_list *unchanged)
{
	struct look look = { .tracker = tracker, .unchanged = unchanged };
	struct rf_maps maps;
	int error;

	unchanged->count = 0;
	unchanged->is_full = false;
	if (!rf_write_tracker_is_on(tracker))
		return -EBADF;
	error = rf_maps_read(&maps, maps_buffer, maps_buffer_bytes);
	if (error < 0)
		return error;
	look.pagemap = rf_sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (look.pagemap < 0)
		return look.pagemap;
	for (size_t i = 0; i < maps.count; i++)
		if (can_track(&maps.entries[i]))
			look_at(&look, &maps.entries[i]);
	rf_sys_close(look.pagemap);
	return 0;
}

static int list_written(int pagemap, struct rf_range_list *written)
{
	enum { REGIONS = 64 };
	struct rf_scan_region regions[REGIONS];
	struct rf_scan scan = { .end = ADDRESS_END,
				.vec = (uintptr_t)regions,
				.vec_len = REGIONS,
				.category_mask = RF_CATEGORY_TRACKED | RF_CATEGORY_WRITTEN,
				.return_mask = RF_CATEGORY_WRITTEN };

	for (scan.start = 0; scan.start < ADDRESS_END; scan.start = scan.walk_end) {
		long count = rf_scan(pagemap, &scan);

		if (count < 0)
			return (int)count;
		for (long i = 0; i < count; i++)
			add_range(written, regions[i].start, regions[i].end);
		if (scan.walk_end <= scan.start)
			return -EIO;
	}
	return written->is_full ? -ENOBUFS : 0;
}

int rf_write_tracker_list_written(const struct rf_write_tracker *tracker,
				  struct rf_range_list *written)
{
	int error, pagemap;

	written->count = 0;
	written->is_full = false;
	if (!rf_write_tracker_is_on(tracker))
		return -EBADF;
	pagemap = rf_sys_open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return pagemap;
	error = list_written(pagemap, written);
	rf_sys_close(pagemap);
	return error;
}
