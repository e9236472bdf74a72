/* SPDX-License-Identifier: MIT */
/*
 * What a process needs that moves itself, rather than a fork child: nothing of it may stay behind.
 */
#ifndef RF_MOVE_H
#define RF_MOVE_H

#include <stdint.h>

#include "rfork/report.h"

/* Refuses what a move would lose: other threads, and child processes, living or zombie; and flags that
 * have no meaning for it.  0 or a negative errno with a report. */
int rf_move_check(uint32_t flags, struct rf_report *report);

/* Blocks every signal, those that libc keeps for itself too; returns the mask that was. */
uint64_t rf_move_block_signals(void);
void rf_move_restore_signals(uint64_t mask);

#endif
