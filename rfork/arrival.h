/* SPDX-License-Identifier: MIT */
/*
 * What the public calls have in common: the report of the thread's last call, and the first steps
 * of a process that is restored inside one of them.
 */
#ifndef RF_ARRIVAL_H
#define RF_ARRIVAL_H

#include "rfork/report.h"
#include "rfork/restore_plan.h"
#include "rfork/snapshot.h"

/* What rfork_error() tells: of the calling thread. */
struct rf_report *rf_last_report(void);

/* What rfork_report() tells of the calling thread's last call, which has succeeded. */
void rf_keep_warnings(const void *text, size_t bytes);
const char *rf_kept_warnings(void);

/* Ends a public call that failed: keeps the report, sets errno, and returns -1. */
int rf_fail(const struct rf_report *report);

/*
 * In the restored thread: removes what the restore left, and says that the process runs, or that
 * it waits to be told to.  The thread's memory is the caller's at the capture, so everything of
 * the call must be undone.
 */
void rf_arrive(const struct rf_arrival *arrival, enum rf_shell_report_kind kind);

/* What RFORK_CHECK_FROZEN in the environment asks for. */
enum rf_frozen_check rf_frozen_check(void);

#endif
