/* SPDX-License-Identifier: MIT */
/*
 * Clocks that count from another moment, as those of another machine: a time namespace, which takes
 * root.  And what a process must see of its own clocks wherever it goes.
 */
#ifndef TEST_SUPPORT_CLOCKS_H
#define TEST_SUPPORT_CLOCKS_H

#include <time.h>

#include "tests/support/test.h"

#define CLOCKS_SECOND_NS 1000000000ll
/* More than any test takes, less than namespaces of tests are apart. */
#define CLOCKS_LIMIT_NS (600 * CLOCKS_SECOND_NS)

/* Puts the calling process, which has one thread, so far ahead of the machine; skips the test where
 * that cannot be. */
void clocks_enter(int64_t monotonic_s, int64_t boottime_s);

/* By the vdso; by the system call. */
int64_t clocks_read(clockid_t clock);
int64_t clocks_ask(clockid_t clock);

/* Notes what the clocks of the calling process show. */
void clocks_note(void);

/* Fails unless they have gone on since, by less than CLOCKS_LIMIT_NS, and whoever asks is told the
 * same. */
void clocks_expect_to_have_gone_on(void);

/* Waits until a moment of CLOCK_MONOTONIC in each of the ways that take one, and fails if the
 * moment comes too early or too late. */
void clocks_expect_deadline(int64_t deadline_ns);

#endif
