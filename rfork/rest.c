/* SPDX-License-Identifier: MIT */
/*
 * Looks in the caller for what the kernel tells of locks, and in the forked process for what is
 * missing there.  Called by hold.c and holder.c.
 */
#define _GNU_SOURCE
#include "rfork/rest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/smaps.h"
#include "rfork/snapshot.h"
#include "rfork/sys.h"

#define MAPS_SMALL_BYTES ((size_t)128 << 10)
#define MAPS_LARGE_BYTES ((size_t)48 << 20)
#define LOST_LINE_BYTES 4500u
#define LOCKED_RANGES_MAX 16384u
#define LOCKS_TEXT_BYTES ((size_t)512 << 10)
/* They go into one record. */
#define LOCKS_MAX (RF_RECORD_MAX_BYTES / sizeof(struct rf_image_lock))

/* -- the list of what is lost ----------------------------------------------------------------- */

void rf_rest_lose(struct rf_rest *rest, const char *format, ...)
{
	char line[LOST_LINE_BYTES];
	va_list arguments;
	size_t bytes;

	if (!rest->lost)
		return;
	va_start(arguments, format);
	bytes = rf_vformat(line, sizeof(line) - 1, 0, format, arguments);
	va_end(arguments);
	if (rest->lost_bytes + bytes + 1 > RF_IMAGE_MAX_LOST_BYTES)
		return;
	for (size_t i = 0; i < bytes; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[bytes++] = '\n';
	memcpy(rest->lost + rest->lost_bytes, line, bytes);
	rest->lost_bytes += bytes;
}

int rf_rest_begin(struct rf_rest *rest, struct rf_arena *arena, struct rf_arena *large,
		  struct rf_report *report)
{
	void *buffer = rf_arena_take(arena, MAPS_SMALL_BYTES);
	int error = buffer ? rf_maps_read(&rest->maps, buffer, MAPS_SMALL_BYTES) : -ENOMEM;

	if (error == -ENOBUFS)
		error = rf_arena_map(large, RF_ARENA_LARGE_BYTES);
	if (error == 0 && large->base) {
		buffer = rf_arena_take(large, MAPS_LARGE_BYTES);
		error = rf_maps_read(&rest->maps, buffer, MAPS_LARGE_BYTES);
	}
	rest->lost = rf_arena_take(arena, RF_IMAGE_MAX_LOST_BYTES);
	if (error == 0 && !rest->lost)
		error = -ENOMEM;
	return error < 0 ? rf_report(report, -error, "/proc/self/maps: %m") : 0;
}

bool rf_rest_is_lost(const struct rf_map *map)
{
	return map->kind == RF_MAP_FILE && map->deleted && strcmp(map->path, "/[aio]") == 0;
}

/* -- locks on files --------------------------------------------------------------------------- */

/* One line of fdinfo: "lock:\t1: POSIX  ADVISORY  WRITE 17 08:01:99 0 EOF", see
 * proc_pid_fdinfo(5). */
struct lock_line {
	char kind[12];
	char type[12];
	uint64_t start, end; /* UINT64_MAX = the end of the file */
};

static const char *take_word(const char *next, char *word, size_t bytes)
{
	size_t used = 0;

	while (*next == ' ' || *next == '\t')
		next++;
	while (*next && *next != ' ' && *next != '\t' && *next != '\n') {
		if (used + 1 < bytes)
			word[used++] = *next;
		next++;
	}
	word[used] = '\0';
	return next;
}

static void parse_lock(struct lock_line *lock, const char *text)
{
	char unused[40], number[24];

	text = take_word(text, unused, sizeof(unused)); /* "lock:" */
	text = take_word(text, unused, sizeof(unused)); /* "1:" */
	text = take_word(text, lock->kind, sizeof(lock->kind));
	text = take_word(text, unused, sizeof(unused)); /* "ADVISORY" */
	text = take_word(text, lock->type, sizeof(lock->type));
	text = take_word(text, unused, sizeof(unused)); /* pid */
	text = take_word(text, unused, sizeof(unused)); /* file */
	text = take_word(text, number, sizeof(number));
	lock->start = strtoull(number, NULL, 10);
	take_word(text, number, sizeof(number));
	lock->end = strcmp(number, "EOF") == 0 ? UINT64_MAX : strtoull(number, NULL, 10);
}

/* 0 = none that can be kept: a lease. */
static uint16_t kind_of(const struct lock_line *lock)
{
	if (strcmp(lock->kind, "POSIX") == 0)
		return RF_LOCK_RECORD;
	if (strcmp(lock->kind, "OFDLCK") == 0)
		return RF_LOCK_OPEN_FILE;
	return strcmp(lock->kind, "FLOCK") == 0 ? RF_LOCK_WHOLE : 0;
}

static int take_lock(struct rf_rest *rest, const struct rf_fd *fd, const struct lock_line *lock)
{
	uint16_t kind = kind_of(lock);
	struct rf_image_lock *image = &rest->locks[rest->lock_count];

	if (!kind || fd->image.kind != RF_DESCRIPTOR_FILE ||
	    fd->image.number < RF_IMAGE_STANDARD_CHANNELS) {
		rf_rest_lose(rest, "descriptor %u (%s): a lock on it (%s)", fd->image.number,
			     fd->path, lock->kind);
		return 0;
	}
	if (rest->lock_count == LOCKS_MAX)
		return -ENOBUFS;
	*image = (struct rf_image_lock){
		.descriptor = fd->image.number,
		.kind = kind,
		.type = strcmp(lock->type, "WRITE") == 0 ? RF_LOCK_EXCLUSIVE : RF_LOCK_SHARED,
	};
	if (kind != RF_LOCK_WHOLE) {
		image->start = lock->start;
		image->bytes = lock->end == UINT64_MAX ? 0 : lock->end - lock->start + 1;
	}
	rest->lock_count++;
	return 0;
}

/* There is a line for each lock that was made through the descriptor. */
static int find_locks_of(struct rf_rest *rest, const struct rf_fd *fd, char *text, size_t bytes)
{
	char path[48];
	long length;
	int error = 0;

	rf_format(path, sizeof(path), "/proc/self/fdinfo/%u", fd->image.number);
	length = rf_io_read_file(path, text, bytes);
	if (length < 0)
		return (int)length;
	for (const char *line = strstr(text, "\nlock:"); line && error == 0;
	     line = strstr(line + 1, "\nlock:")) {
		struct lock_line lock;

		parse_lock(&lock, line + 1);
		error = take_lock(rest, fd, &lock);
	}
	return error;
}

int rf_rest_find_locks(struct rf_rest *rest, const struct rf_fdtable *fds, struct rf_arena *arena,
		       struct rf_report *report)
{
	char *text = rf_arena_take(arena, LOCKS_TEXT_BYTES);

	rest->locks = rf_arena_take(arena, LOCKS_MAX * sizeof(*rest->locks));
	if (!text || !rest->locks)
		return rf_report(report, ENOMEM, "no room for the locks on files");
	for (size_t i = 0; i < fds->count; i++) {
		const struct rf_fd *fd = &fds->entries[i];
		int error = 0;

		if (fd->image.same_as == RF_IMAGE_NONE)
			error = find_locks_of(rest, fd, text, LOCKS_TEXT_BYTES);
		if (error == -ENOBUFS)
			return rf_report(report, ENOTSUP, "more than %zu locks on files",
					 LOCKS_MAX);
		if (error < 0)
			return rf_report(report, -error, "locks of descriptor %u (%s): %m",
					 fd->image.number, fd->path);
	}
	return 0;
}

/* -- locked memory ---------------------------------------------------------------------------- */

static bool has_locked_memory(void)
{
	char text[4096];
	const char *found;

	if (rf_io_read_file("/proc/self/status", text, sizeof(text)) < 0)
		return true;
	found = strstr(text, "\nVmLck:");
	return found && strtoull(found + sizeof("\nVmLck:") - 1, NULL, 10) > 0;
}

struct locked {
	struct rf_rest *rest;
	bool is_full;
};

static void take_range(void *context, const struct rf_smaps_mapping *mapping)
{
	struct locked *locked = context;
	struct rf_rest *rest = locked->rest;

	if (!(mapping->flags & RF_MAPPING_LOCKED))
		return;
	if (rest->locked_count == LOCKED_RANGES_MAX)
		locked->is_full = true;
	else
		rest->locked[rest->locked_count++] =
			(struct rf_rest_range){ mapping->start, mapping->end,
						mapping->flags & RF_MAPPING_LOCKS };
}

static bool is_locked(const struct rf_rest *rest, uint64_t address)
{
	for (size_t i = 0; i < rest->locked_count; i++)
		if (rest->locked[i].start <= address && address < rest->locked[i].end)
			return true;
	return false;
}

int rf_rest_find_locked_memory(struct rf_rest *rest, struct rf_arena *arena,
			       struct rf_report *report)
{
	struct locked locked = { .rest = rest };
	int fd, error;

	if (!has_locked_memory())
		return 0;
	rest->locked = rf_arena_take(arena, LOCKED_RANGES_MAX * sizeof(*rest->locked));
	if (!rest->locked)
		return rf_report(report, ENOMEM, "no room for the list of locked memory");
	fd = rf_sys_open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rf_report(report, -fd, "/proc/self/smaps: %m");
	error = rf_smaps_read(fd, take_range, &locked);
	rf_sys_close(fd);
	/* memory of our own, which nobody has locked by itself */
	if (is_locked(rest, (uintptr_t)rest->lost))
		rf_rest_lose(rest, "mlockall(MCL_FUTURE)");
	if (locked.is_full)
		rf_rest_lose(rest, "locks of memory: more than %u ranges", LOCKED_RANGES_MAX);
	return error < 0 ? rf_report(report, -error, "/proc/self/smaps: %m") : 0;
}

void rf_rest_mark_locked(const struct rf_rest *rest, struct rf_snapshot *snapshot)
{
	size_t range = 0;

	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		struct rf_image_mapping *image = &snapshot->mappings[i].image;

		while (range < rest->locked_count && rest->locked[range].end <= image->start)
			range++;
		if (range < rest->locked_count && rest->locked[range].start <= image->start)
			image->flags |= rest->locked[range].flags;
	}
}

/* -- in the forked process -------------------------------------------------------------------- */

/* The first address of [start, end) that is mapped nowhere in the list; end if all are. */
static uint64_t find_gap(const struct rf_maps *maps, uint64_t start, uint64_t end)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (maps->entries[middle].end <= start)
			low = middle + 1;
		else
			high = middle;
	}
	while (low < maps->count && start < end && maps->entries[low].start <= start)
		start = maps->entries[low++].end;
	return start < end ? start : end;
}

/* What was there and was not inherited: a fork leaves it out as it was told to. */
static void find_missing(struct rf_rest *rest, const struct rf_snapshot *snapshot)
{
	for (size_t i = 0; i < rest->maps.count; i++) {
		const struct rf_map *map = &rest->maps.entries[i];

		if (rf_rest_is_lost(map))
			rf_rest_lose(rest, "memory at %lx-%lx: asynchronous I/O of io_setup(2)",
				     map->start, map->end);
		else if (find_gap(&snapshot->maps, map->start, map->end) < map->end)
			rf_rest_lose(rest,
				     "memory at %lx-%lx%s%s: MADV_DONTFORK keeps it from being "
				     "copied",
				     map->start, map->end, map->path[0] ? " " : "", map->path);
	}
}

static void find_shared(struct rf_rest *rest, const struct rf_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->mapping_count; i++) {
		const struct rf_snapshot_mapping *mapping = &snapshot->mappings[i];

		if (mapping->is_shared && mapping->source != RF_SOURCE_NONE)
			rf_rest_lose(rest,
				     "memory at %lx-%lx: it is a copy, no longer shared with "
				     "others",
				     mapping->image.start, mapping->image.end);
	}
}

void rf_rest_complete(struct rf_rest *rest, struct rf_snapshot *snapshot)
{
	rf_rest_mark_locked(rest, snapshot);
	find_missing(rest, snapshot);
	find_shared(rest, snapshot);
}
