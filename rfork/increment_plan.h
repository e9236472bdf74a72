/* SPDX-License-Identifier: MIT */
/*
 * Incremental checkpoints, in the holder: which pages a statefile must hold that builds on another
 * one.  Called by the frozen holder: no malloc, no errno.
 */
#ifndef RF_INCREMENT_PLAN_H
#define RF_INCREMENT_PLAN_H

#include <stdbool.h>

#include "rfork/chain.h"
#include "rfork/increment.h"
#include "rfork/snapshot.h"

/* What a statefile builds on; all zero = nothing: it is whole. */
struct rf_base {
	struct rf_chain chain;
	int fds[RF_CHAIN_MAX_FILES]; /* of the chain's files */
	const struct rf_changes *changes;
	size_t changes_bytes;
};

/*
 * Opens what the program has handed over: the descriptors of a chain and of changes (increment.h),
 * -1 for none; they stay the caller's.  directory, name: of the file that is to be written, which
 * must not replace one of the chain.  Returns true if all files of the chain are there, and the
 * same; otherwise the base is empty.
 */
bool rf_base_open(struct rf_base *base, int chain, int changes, int directory, const char *name);
void rf_base_close(struct rf_base *base);

/* Names the parent in what the image says of its origin; path: of the file to be written,
 * absolute. */
void rf_base_name_parent(const struct rf_base *base, const char *path,
			 struct rf_snapshot_rest *rest);

/* As rf_snapshot_plan_pages(), but for what the base has.  parent_bounce: RF_CHUNK_BYTES. */
int rf_base_plan_pages(const struct rf_base *base, struct rf_snapshot *snapshot,
		       const struct rf_snapshot_plan *plan, void *parent_bounce);

#endif
