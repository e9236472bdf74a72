/* SPDX-License-Identifier: MIT */
/*
 * Counts system calls: for claims about work, which time says badly on a busy machine.
 */
#ifndef TESTS_UNIT_COUNT_CALLS_H
#define TESTS_UNIT_COUNT_CALLS_H

/* How often a process that runs `body` makes the system call of a number; it must come to its
 * end. */
int count_calls(void (*body)(void), long number);

#endif
