/* SPDX-License-Identifier: MIT */
/*
 * What a process needs that moves itself, rather than a fork child: nothing of it may stay behind.
 */
#ifndef RF_MOVE_H
#define RF_MOVE_H

#include <stdint.h>

#include "rfork/ghost.h"
#include "rfork/refusals.h"
#include "rfork/report.h"

/* Adds what a move would lose or harm: other threads, child processes, living or zombie, and a
 * parent with whom memory or descriptors are shared.  0, or a negative errno with a report if that
 * cannot be seen. */
int rf_move_refuse(struct rf_refusals *refusals, struct rf_report *report);

/*
 * Adds locks on files, which would end in silence: the files are opened anew on the node.  But
 * one of an open file description that the parent has too, as of who runs a program under
 * flock(1), is not the process's own: it goes on, and the ghost shall hold it.
 */
void rf_move_refuse_locks(struct rf_fdtable *fds, struct rf_refusals *refusals);

/* Adds timers and pending signals that cannot go, where none is to be stopped or taken: only a
 * check asks for them so early.  Memory comes from the arena, which keeps the timers.  0 or a
 * negative errno with a report. */
int rf_move_refuse_signals(struct rf_arena *arena, struct rf_refusals *refusals,
			   struct rf_report *report);

/* Stops what would go on at home: timers are listed and stopped, pending signals taken, and both
 * are noted in the order.  Signals are blocked.  0, or a negative errno with a report, and
 * nothing has changed. */
int rf_move_quiesce(struct rf_ghost_order *order, struct rf_report *report);

/* Undoes that. */
void rf_move_resume(struct rf_ghost_order *order);

/* Blocks every signal, those that libc keeps for itself too; returns the mask that was. */
uint64_t rf_move_block_signals(void);
void rf_move_restore_signals(uint64_t mask);

#endif
