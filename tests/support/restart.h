/* SPDX-License-Identifier: MIT */
/*
 * Executables for tests that restart them.  A body builds its state, calls restart_point(), and
 * says whether all is as it must be: its result is what the restarted process exits with.
 */
#ifndef TEST_SUPPORT_RESTART_H
#define TEST_SUPPORT_RESTART_H

#include "tests/support/checkpoint.h"
#include "tests/support/test.h"

/* What a restarted process exits with when all is well. */
#define RESTART_RIGHT 23

/* In a body: writes the executable.  Returns in restarted processes only. */
void restart_point(void);

/* Runs the body in a child of its own until it has written the executable `path`. */
void restart_write(const char *path, int (*body)(void));

/* Starts the executable with arguments behind its name, NULL at the end; its pid. */
pid_t restart_start(const char *path, ...) __attribute__((sentinel));

/* Starts it without arguments, and expects RESTART_RIGHT. */
void restart_expect(const char *path);

/* Starts it, and expects that it refuses with a status of 126 or 127 and one line that names
 * it and holds `words`; prints it. */
void restart_expect_refusal(const char *path, const char *words);

#endif
