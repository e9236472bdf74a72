/* SPDX-License-Identifier: MIT */
/*
 * Incremental checkpoints, in the program: what has changed since the last one, and the statefile
 * that the next can build on.  Called by the calls about checkpoints; for each of them the caller
 * holds the lock of the state.
 */
#ifndef RF_INCREMENT_H
#define RF_INCREMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/write_tracker.h"

/* Of one checkpoint that is held. */
struct rf_increment {
	bool is_wanted;
	struct rf_kept_fd changes; /* file in memory: struct rf_changes; none = nothing is known */
	int64_t parent;		   /* crid of the incremental checkpoint before it; 0 = none */
};

#define RF_INCREMENT_NONE ((struct rf_increment){ .changes = { .fd = -1 } })

/* The file's beginning; the ranges follow: those that were not written up to the last look,
 * ascending, then those written after it. */
struct rf_changes {
	uint64_t unchanged_count;
	uint64_t written_count;
};

/*
 * Before the fork, with signals blocked: looks at what has changed, as late as possible.  Without
 * write tracking, or with other threads, which could change the memory between the look and the
 * fork, nothing is known: the pages are compared when they are written.
 */
void rf_increment_look(struct rf_increment *increment);

/* After the fork: adds what was written meanwhile.  crid: of this checkpoint, which is held. */
void rf_increment_complete(struct rf_increment *increment, int64_t crid);

/* The checkpoint is dropped. */
void rf_increment_drop(struct rf_increment *increment);

/* The chain (chain.h) that a checkpoint can build on; -1 if its parent was not written to a
 * file. */
int rf_increment_chain(const struct rf_increment *increment);

/* An incremental checkpoint was written to a named file: takes its chain. */
void rf_increment_written(int64_t crid, int chain);

/* Whether a descriptor is one of a checkpoint's, or, with NULL, of none of them. */
bool rf_increment_owns(const struct rf_increment *increment, int fd);

/* In a fork child: closes what is its parent's. */
void rf_increment_leave(void);

/* In a process that was restored: there is nothing to close. */
void rf_increment_forget(void);

#endif
