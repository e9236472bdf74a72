/* SPDX-License-Identifier: MIT */
/*
 * Cores of the program counting_threads, of any build of it.
 */
#ifndef TEST_SUPPORT_CORE_THREADS_H
#define TEST_SUPPORT_CORE_THREADS_H

#include "tests/support/cores.h"

/* Dumps, restarts it some times, and checks what it says. */
void core_threads_resume(const char *build, enum core_origin origin, unsigned filter);

#endif
