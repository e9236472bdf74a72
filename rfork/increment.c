/* SPDX-License-Identifier: MIT */
/*
 * The program's side of incremental checkpoints.  The order keeps every change: look and protect,
 * fork, list what was written since the look.  So what is called unchanged is in the snapshot as
 * it was in the last one, and a write after the look is seen by the next.
 */
#define _GNU_SOURCE
#include "rfork/increment.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "rfork/arena.h"
#include "rfork/io.h"
#include "rfork/sys.h"

/* Address space: of a process of most mappings, and the most scattered changes. */
#define MAPS_BYTES ((size_t)48 << 20)
#define UNCHANGED_RANGES ((size_t)1 << 20)
#define WRITTEN_RANGES ((size_t)1 << 16)

static struct {
	struct rf_write_tracker tracker;
	int64_t last;	   /* the incremental checkpoint of the last look; 0 = none, or it failed */
	int64_t committed; /* the checkpoint whose chain this is */
	struct rf_kept_fd chain;
} state = { .tracker = { .uffd = { .fd = -1 } }, .chain = { .fd = -1 } };

/* -- looking --------------------------------------------------------------------------------- */

static bool has_one_thread(void)
{
	struct stat status;

	return rf_sys_stat("/proc/self/task", &status) == 0 && status.st_nlink <= 3;
}

static bool has_tracker(void)
{
	const char *forbidden = secure_getenv("RFORK_NO_TRACKING");

	if (forbidden && *forbidden)
		return false;
	if (rf_write_tracker_is_on(&state.tracker))
		return true;
	rf_write_tracker_stop(&state.tracker);
	return rf_write_tracker_start(&state.tracker) == 0;
}

static int write_at(int fd, const void *data, size_t bytes, uint64_t offset)
{
	struct iovec piece = { (void *)data, bytes };

	return bytes ? rf_io_pwritev_full(fd, &piece, 1, offset) : 0;
}

/* Looks, and keeps the list: 0 or a negative errno. */
static int list_unchanged(int fd, struct rf_arena *arena)
{
	void *maps = rf_arena_take(arena, MAPS_BYTES);
	struct rf_range_list unchanged = {
		.ranges = rf_arena_take(arena, UNCHANGED_RANGES * sizeof(struct rf_page_range)),
		.capacity = UNCHANGED_RANGES,
	};
	struct rf_changes changes = { 0 };
	int error = rf_write_tracker_look(&state.tracker, maps, MAPS_BYTES, &unchanged);

	if (error < 0)
		return error;
	changes.unchanged_count = unchanged.count;
	error = write_at(fd, &changes, sizeof(changes), 0);
	if (error < 0)
		return error;
	return write_at(fd, unchanged.ranges, unchanged.count * sizeof(*unchanged.ranges),
			sizeof(changes));
}

static int create_changes(void)
{
	return (int)rf_syscall(SYS_memfd_create, "rfork:changes", MFD_CLOEXEC);
}

void rf_increment_look(struct rf_increment *increment)
{
	struct rf_arena arena;

	increment->parent = state.last;
	state.last = 0; /* if it fails from now on, this look is nobody's */
	if (!has_one_thread() || !has_tracker() ||
	    rf_arena_map(&arena, MAPS_BYTES + UNCHANGED_RANGES * sizeof(struct rf_page_range) +
					 2 * RF_ARENA_STACK_BYTES) < 0)
		return;
	if (rf_kept_fd_take(&increment->changes, create_changes()) == 0 &&
	    list_unchanged(increment->changes.fd, &arena) < 0)
		rf_kept_fd_close(&increment->changes);
	rf_arena_unmap(&arena);
}

static int list_written(int fd, struct rf_arena *arena)
{
	struct rf_range_list written = {
		.ranges = rf_arena_take(arena, WRITTEN_RANGES * sizeof(struct rf_page_range)),
		.capacity = WRITTEN_RANGES,
	};
	struct rf_changes changes;
	int error = rf_write_tracker_list_written(&state.tracker, &written);

	if (error == 0 && rf_sys_pread(fd, &changes, sizeof(changes), 0) != sizeof(changes))
		error = -EIO;
	if (error < 0)
		return error;
	changes.written_count = written.count;
	error = write_at(fd, written.ranges, written.count * sizeof(*written.ranges),
			 sizeof(changes) + changes.unchanged_count * sizeof(*written.ranges));
	return error < 0 ? error : write_at(fd, &changes, sizeof(changes), 0);
}

void rf_increment_complete(struct rf_increment *increment, int64_t crid)
{
	struct rf_arena arena;

	state.last = crid;
	if (increment->changes.fd < 0)
		return;
	if (rf_arena_map(&arena, WRITTEN_RANGES * sizeof(struct rf_page_range) +
					 2 * RF_ARENA_STACK_BYTES) < 0) {
		rf_kept_fd_close(&increment->changes);
		return;
	}
	if (list_written(increment->changes.fd, &arena) < 0)
		rf_kept_fd_close(&increment->changes);
	rf_arena_unmap(&arena);
}

/* -- chains ---------------------------------------------------------------------------------- */

void rf_increment_drop(struct rf_increment *increment)
{
	rf_kept_fd_close(&increment->changes);
	*increment = RF_INCREMENT_NONE;
}

int rf_increment_chain(const struct rf_increment *increment)
{
	return increment->parent && increment->parent == state.committed &&
			       rf_kept_fd_is_open(&state.chain)
		       ? state.chain.fd
		       : -1;
}

void rf_increment_written(int64_t crid, int chain)
{
	if (crid < state.committed) { /* an older one, written once more */
		if (chain >= 0)
			rf_sys_close(chain);
		return;
	}
	rf_kept_fd_close(&state.chain);
	state.committed = rf_kept_fd_take(&state.chain, chain) < 0 ? 0 : crid;
}

bool rf_increment_owns(const struct rf_increment *increment, int fd)
{
	if (increment)
		return rf_kept_fd_is(&increment->changes, fd);
	return rf_kept_fd_is(&state.tracker.uffd, fd) || rf_kept_fd_is(&state.chain, fd);
}

void rf_increment_leave(void)
{
	rf_write_tracker_stop(&state.tracker);
	rf_kept_fd_close(&state.chain);
	rf_increment_forget();
}

void rf_increment_forget(void)
{
	state.tracker = RF_WRITE_TRACKER_NONE;
	state.chain = RF_KEPT_FD_NONE;
	state.last = state.committed = 0;
}
