/* SPDX-License-Identifier: MIT */
/*
 * The arguments with which an executable was started that restarted this process.
 */
#ifndef RF_RESTART_ARGS_H
#define RF_RESTART_ARGS_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/restore_plan.h"

/* Part of the library's globals; the strings and both lists are in an area of their own. */
struct rf_restart_args {
	int argc;
	char **argv, **envp; /* NULL = the process was not restarted so */
	uintptr_t area;
	size_t area_bytes;
};

/* Takes what an arrival brings, before its region is unmapped; what was there is dropped.  If
 * there is no memory for them, there are none. */
void rf_restart_args_take(struct rf_restart_args *args, const struct rf_arrival *arrival);

#endif
