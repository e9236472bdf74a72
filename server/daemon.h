/* SPDX-License-Identifier: MIT */
/*
 * Going to the background (--daemon): the process that the user started ends with 0
 * only when the server is ready.
 */
#ifndef RF_DAEMON_H
#define RF_DAEMON_H

#include "rfork/report.h"

/*
 * Forks twice; returns in the daemon only.  *ready is a descriptor for rf_daemon_ready().  The
 * first process waits, and exits 0 then, or 1 if the daemon ends before.
 */
int rf_daemon_start(int *ready, struct rf_report *report);

/* Lets the terminal go and the first process end with 0. */
int rf_daemon_ready(int ready, struct rf_report *report);

#endif
