/* SPDX-License-Identifier: MIT */
/*
 * What calls about checkpoints have in common.  All but the first keep to one checkpoint, which
 * the calling thread has claimed.
 */
#ifndef RF_CHECKPOINT_H
#define RF_CHECKPOINT_H

#include <stdint.h>

#include <rfork.h>

#include "rfork/held.h"
#include "rfork/holder.h"
#include "rfork/report.h"

/* rfork_checkpoint(), with a negative errno and a report on failure. */
rfork_crid_t rf_checkpoint_returns_twice(unsigned flags, struct rf_report *report);

/* Takes a checkpoint for a call, so that no other call uses it meanwhile; NULL with a report. */
struct rf_held *rf_checkpoint_claim(rfork_crid_t crid, struct rf_report *report);

/* Tells the holder to write.  The caller holds the lock of the state.  0 once it has begun, or a
 * negative errno with a report. */
int rf_checkpoint_command(struct rf_held *held, struct rf_holder_command *command, int fd,
			  struct rf_report *report);

/* Waits until the commit under way has ended, and tells how. */
int rf_checkpoint_wait(struct rf_held *held, int64_t deadline_ns, struct rf_report *report);

/* Waits for a commit under way, and drops the checkpoint. */
void rf_checkpoint_discard(struct rf_held *held, struct rf_report *report);

#endif
