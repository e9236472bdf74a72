/* SPDX-License-Identifier: MIT */
/*
 * The caller's descriptors, or those of a stopped process, and how each of them travels.  Collected
 * in the caller, before the fork, where a refusal leaves nothing behind.
 */
#ifndef RF_FDTABLE_H
#define RF_FDTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/image_format.h"
#include "rfork/object.h"
#include "rfork/refusals.h"
#include "rfork/report.h"
#include "rfork/terminal.h"

struct rf_fd {
	struct rf_image_descriptor image; /* file is filled in by the snapshot */
	struct rf_image_file identity;	  /* of kind FILE */
	const char *path;		  /* of kind FILE */
	int fd;		 /* where we have it: under its number, but for another process's table */
	uint32_t object; /* of kind OBJECT: enum rf_object_kind */
	bool has_path;	 /* of a content: the node may have the file by it */
	bool is_held;	 /* the ghost of a moved process keeps it, for a lock's sake */
	int witness_fd;	 /* of fdproof; -1 = none */
};

/* An object that a descriptor leads to. */
struct rf_fdobject {
	struct rf_object_state object; /* what it holds: rf_fdobject_look() */
	uint32_t number; /* the descriptor, where we have it, and what /proc says of it */
	int fd;
	const char *path;
	int64_t looked_ns;  /* of a timer: when it was looked at, CLOCK_MONOTONIC */
	uint32_t forgotten; /* what it watches that no descriptor leads to any more */
	struct rf_fdcontent *content; /* of kind CONTENT; else NULL */
};

struct rf_fdtable {
	bool goes_itself;      /* set before: the process goes, rather than a copy of it */
	pid_t process, thread; /* whose they are: the thread is the one that travels */
	struct rf_fd *entries; /* ascending by number */
	size_t count;
	uint32_t channels;	     /* the first number that is free */
	struct rf_fdobject *objects; /* by their index */
	size_t object_count, object_capacity;
	bool takes_contents; /* memfds travel */
	bool copies_files;   /* RFORK_COPY_FILES: other files may, too */
	bool copies_named;   /* also those that the node may have by a path */
	int *numbers;	     /* of all that were open, ascending, whether they travel or not */
	size_t number_count;
};

/* Flags besides RFORK_COPY_FILES, the only one of those that matters: of an image at rest, where
 * nobody can be asked what he lacks; and that contents do not travel at all. */
#define RF_FDTABLE_AT_REST (UINT32_C(1) << 31)
#define RF_FDTABLE_NO_CONTENTS (UINT32_C(1) << 30)

/*
 * Collects every open descriptor but those that `is_ours` claims.  What cannot travel is left out,
 * and added to the refusals by number and path; NULL: it is to be left out, and the node may leave
 * out what it lacks.  flags: RFORK_COPY_FILES, RF_FDTABLE_*.  Those on `terminal` become a terminal
 * on the node; NULL: the node has none to give.  Memory comes from the arena.  0 or a negative
 * errno with a report.
 */
int rf_fdtable_collect(struct rf_fdtable *table, struct rf_arena *arena, uint32_t flags,
		       struct rf_refusals *refusals, const struct rf_terminal *terminal,
		       bool (*is_ours)(int fd), struct rf_report *report);

/* A descriptor of another process, and where we have a duplicate of it. */
struct rf_fd_copy {
	int number, fd;
	bool is_cloexec;
};

/* The same of another process's descriptors, ascending by number. */
int rf_fdtable_collect_copies(struct rf_fdtable *table, struct rf_arena *arena, pid_t process,
			      const struct rf_fd_copy *copies, size_t count, uint32_t flags,
			      struct rf_refusals *refusals, const struct rf_terminal *terminal,
			      struct rf_report *report);

/* Says what a descriptor is that cannot travel: its path, in memory of the arena, and its type. */
void rf_fdtable_describe(int fd, struct rf_arena *arena, const char **path, const char **type);

/* Whether a relayed original has anything to show at this moment: something to read, an end, a
 * connection, or that nobody reads it.  Not what is typed at the terminal.  Memory comes from the
 * arena; without any, true. */
bool rf_fdtable_has_news(const struct rf_fdtable *table, struct rf_arena *arena);

#endif
