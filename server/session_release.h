/* SPDX-License-Identifier: MIT */
/*
 * Between restored and running: a process that moves waits here until its ghost has left home for good
 * (doc/protocol.txt, 4).
 */
#ifndef RF_SESSION_RELEASE_H
#define RF_SESSION_RELEASE_H

#include <sys/types.h>

#include "rfork/report.h"
#include "rfork/warnings.h"

struct rf_release {
	int connection;
	int listener; /* has input when the listener ends */
	int signals;  /* signalfd with SIGCHLD and SIGTERM */
	int child_socket;
	unsigned dead_after_s;
	const struct rf_warnings *warnings;
	pid_t child; /* 0 once it has been waited for */
};

/* Tells the ghost that the child runs, or with RF_RUNNING_* that it waits, and of what it was not
 * given.  A failure shows when the connection is read next. */
void rf_release_announce(int connection, pid_t child, unsigned flags,
			 const struct rf_warnings *warnings);

/* Tells the ghost that the child waits, and lets it go on by the ghost's word.  0, or a negative errno with
 * a report when it is not to go on. */
int rf_release_child(struct rf_release *release, struct rf_report *report);

#endif
