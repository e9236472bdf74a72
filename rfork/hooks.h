/* SPDX-License-Identifier: MIT */
/*
 * Functions of the program that are called before and after each capture: rfork_atfork().  They are
 * called without any lock, so that they may do whatever the program may.
 */
#ifndef RF_HOOKS_H
#define RF_HOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/report.h"

struct rf_hook {
	uint64_t id; /* ascending in the order of registration, never used again */
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
};

/* Part of the library's globals, and guarded by their lock. */
struct rf_hooks {
	struct rf_hook *entries; /* malloc's, ascending by id */
	size_t count, capacity;
	uint64_t last_id;
};

/*
 * Calls what is to be called before a capture, the youngest first.  *last is for the two calls
 * below, one of which must follow in every process: those that are registered meanwhile have no
 * part in it.  0, or -EDEADLK with a report where one of these functions has led here.
 */
int rf_hooks_prepare(uint64_t *last, struct rf_report *report);

/* In the caller, whatever became of the capture; and in the process that was restored.  The oldest
 * first. */
void rf_hooks_parent(uint64_t last);
void rf_hooks_child(uint64_t last);

#endif
