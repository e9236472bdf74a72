/* SPDX-License-Identifier: MIT */
/*
 * Writes the snapshot that a holder keeps.  Called by the frozen holder: no malloc, no errno.
 */
#ifndef RF_HOLDER_WRITE_H
#define RF_HOLDER_WRITE_H

#include <stdbool.h>

#include "rfork/arena.h"
#include "rfork/holder_target.h"
#include "rfork/image_writer.h"
#include "rfork/increment_plan.h"
#include "rfork/snapshot.h"

/* What is needed to write; stays from one commit to the next. */
struct rf_holder_writer {
	struct rf_snapshot *snapshot;
	struct rf_snapshot_request *request;
	struct rf_image_writer *records;
	int memory_fd;
	bool has_pages;	 /* rf_snapshot_find_pages() was called */
	bool is_checked; /* after each commit the image must still have this digest */
	uint64_t digest;
	unsigned char *bounce, *helper_bounce;
	unsigned char *helper_stack_top;
	/* of an incremental checkpoint */
	struct rf_snapshot_rest *rest; /* names its parent */
	int chain, changes;	       /* what the program has handed over; -1 = nothing */
	struct rf_base base;	       /* what it builds on */
	int written_chain;	       /* with what was written last; -1 = none */
	/* of a statefile that is being written */
	struct rf_arena tables;
	struct rf_statefile_writer file;
};

/* Takes memory for it from the arena; 0 or -ENOMEM. */
int rf_holder_prepare(struct rf_holder_writer *writer, struct rf_arena *arena);

/* Writes the image to the target, which stays open.  0 or a negative errno with a report. */
int rf_holder_write(struct rf_holder_writer *writer, const struct rf_target *target,
		    struct rf_report *report);

/* Waits until a thread has ended that rf_arch_start_thread() started with this word. */
void rf_holder_join(int *running);

#endif
