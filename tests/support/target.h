/* SPDX-License-Identifier: MIT */
/*
 * A process that knows nothing of librfork and is looked at from outside: a child with a page that
 * it shares with the test, in which both put numbers and wait for them, with a deadline.
 */
#ifndef TEST_SUPPORT_TARGET_H
#define TEST_SUPPORT_TARGET_H

#include <stdatomic.h>

#include "tests/support/test.h"

#define TARGET_WORDS 64

struct target {
	pid_t pid;
	atomic_int *words; /* TARGET_WORDS, all 0 at first */
	void *memory;	   /* shared, too: the rest of what was asked for */
};

/* Starts body(target) in a process of its own, which ends with the test at the latest and then by
 * what body returns.  Only standard descriptors are open in it. */
void target_start(struct target *target, int (*body)(struct target *target), size_t memory_bytes);

/* Puts a number, or adds one to it, and wakes who waits for it; waits until a word is at least
 * `value`.  For both sides. */
void target_set(struct target *target, unsigned word, int value);
void target_add(struct target *target, unsigned word);
void target_await(struct target *target, unsigned word, int value);

/* Waits for the end of the process, which must be that of exit(0). */
void target_end(struct target *target);

#endif
