/* SPDX-License-Identifier: MIT */
/*
 * State of the calling thread that has neither a descriptor nor memory and cannot go: sandboxes,
 * which would not confine the child on a node, so that it would get out by leaving; rings of
 * io_uring that only the kernel knows; and what only the architecture has.
 */
#ifndef RF_SANDBOX_H
#define RF_SANDBOX_H

#include "rfork/refusals.h"

/* Adds all of it.  A few system calls, for each fork pays for them. */
void rf_sandbox_refuse(struct rf_refusals *refusals);

#endif
