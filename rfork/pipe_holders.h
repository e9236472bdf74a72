/* SPDX-License-Identifier: MIT */
/*
 * Which processes have an end of a pipe, as far as /proc tells.
 */
#ifndef RF_PIPE_HOLDERS_H
#define RF_PIPE_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Called back for each pipe that another process has; false when there is no need to look for
 * more. */
typedef bool (*rf_pipe_holder)(void *context, uint64_t inode);

/*
 * Looks at the descriptors of all other processes, the nearest first.  False if some cannot be seen
 * of a process that may have pipes in common with us: an ancestor, or one of our session.
 * `node_session` and what is above it gave us none.  No malloc, no errno.
 */
bool rf_pipe_holders_visit(pid_t node_session, rf_pipe_holder visit, void *context);

/* The same for the pipes of another process: looks at all but that one and ourselves, also when
 * some cannot be seen. */
bool rf_pipe_holders_visit_of(pid_t pid, rf_pipe_holder visit, void *context);

#endif
