/* SPDX-License-Identifier: MIT */
/*
 * From the decision to hold a checkpoint to the holder that is ready: what fork drops is noted,
 * what cannot be kept is refused, and the caller is forked.
 */
#ifndef RF_HOLD_H
#define RF_HOLD_H

#include <stdint.h>

#include "rfork/held.h"
#include "rfork/holder.h"
#include "rfork/report.h"

/*
 * Makes the holder of a checkpoint whose place is taken.  All signals are blocked, and the caller
 * holds the lock of the state.  signal_mask: what was blocked before.  Returns 1 when it is
 * ready, 0 in the restored process, where there is neither a holder nor a lock that is held, or a
 * negative errno with a report.
 */
int rf_hold_returns_twice(struct rf_held *held, unsigned flags, uint64_t signal_mask,
			  const struct rf_machine_facts *facts, struct rf_report *report);

/*
 * Receives what the holder says; 0 or a negative errno with a report: -ECONNRESET if it is dead.
 * chain: takes the descriptor that came along, -1 for none; or NULL.
 */
int rf_hold_hear(int control, enum rf_holder_answer_kind kind, int *chain,
		 struct rf_report *report);

/* Waits for the end of a holder whose control socket is closed. */
void rf_hold_reap(pid_t holder);

#endif
