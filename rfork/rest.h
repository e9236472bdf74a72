/* SPDX-License-Identifier: MIT */
/*
 * What a fork drops or shares and an image at rest keeps, but for timers, signals and pipes:
 * locks on files, memory that is locked; and the list of what is lost.  No malloc.
 */
#ifndef RF_REST_H
#define RF_REST_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/image_format.h"
#include "rfork/maps.h"
#include "rfork/report.h"

struct rf_snapshot;

struct rf_rest {
	struct rf_maps maps; /* of the caller */
	struct rf_rest_range {
		uint64_t start, end;
		uint32_t flags; /* RF_MAPPING_LOCKS */
	} * locked;		/* by mlock(2), ascending */
	size_t locked_count;
	struct rf_image_lock *locks;
	size_t lock_count;
	char *lost; /* lines of text */
	size_t lost_bytes;
};

/* Reads the list of mappings, in the caller.  Memory comes from the arena; a long list from
 * another one, `large`, which is mapped for it.  0 or a negative errno with a report. */
int rf_rest_begin(struct rf_rest *rest, struct rf_arena *arena, struct rf_arena *large,
		  struct rf_report *report);

/* Adds a line to what is lost, where there is such a list; what does not fit any more is left
 * out. */
void rf_rest_lose(struct rf_rest *rest, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether an image at rest leaves a mapping out: what the kernel shares with a context of
 * asynchronous I/O, which ends with the process. */
bool rf_rest_is_lost(const struct rf_map *map);

/* Finds the locks that the calling process holds on the files of the table; others are lost.  0
 * or a negative errno with a report. */
int rf_rest_find_locks(struct rf_rest *rest, const struct rf_fdtable *fds, struct rf_arena *arena,
		       struct rf_report *report);

/* Finds the memory that the calling process has locked. */
int rf_rest_find_locked_memory(struct rf_rest *rest, struct rf_arena *arena,
			       struct rf_report *report);

/* Tells the snapshot of it: alone of a process that moves, else part of rf_rest_complete(). */
void rf_rest_mark_locked(const struct rf_rest *rest, struct rf_snapshot *snapshot);

/* In the forked process: tells the snapshot of locked memory, and the list of what is lost of
 * memory that is not here, or no longer shared. */
void rf_rest_complete(struct rf_rest *rest, struct rf_snapshot *snapshot);

#endif
