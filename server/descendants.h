/* SPDX-License-Identifier: MIT */
/*
 * Finding and ending processes that nobody waits for any more: those of a lost link, in
 * the session, and those of a dead session, in the listener.  Both are subreapers, so
 * that every such process becomes their direct child sooner or later.
 */
#ifndef RF_DESCENDANTS_H
#define RF_DESCENDANTS_H

#include <sys/types.h>

typedef void (*rf_child_visitor)(pid_t pid, void *argument);

/* Calls visit for each child of the calling process; 0 or a negative errno. */
int rf_descendants_visit(rf_child_visitor visit, void *argument);

/*
 * Kills the process group and every descendant, and reaps them all; returns when there is
 * none left, 0, or a negative errno if they cannot be listed.
 */
int rf_descendants_end(pid_t process_group);

#endif
