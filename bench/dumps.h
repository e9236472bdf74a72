/* SPDX-License-Identifier: MIT */
/*
 * Other ways to have a process's memory in a file, timed: floors of checkpoint.c.
 */
#ifndef BENCH_DUMPS_H
#define BENCH_DUMPS_H

#include <stddef.h>
#include <stdint.h>

/* Each takes a folder, in which it leaves nothing, and *ns, for the nanoseconds.  0, -1 after a
 * message, or 1 if this machine does not let us: then *reason says why. */

/* write() of these bytes, 1 MiB each, to a new file. */
int dumps_write(const char *folder, const void *memory, size_t bytes, int64_t *ns);

/* The kernel's core of a fork child, from its signal to its end; bytes: what must be in it at
 * least. */
int dumps_core(const char *folder, size_t bytes, int64_t *ns, const char **reason);

/* gcore of this process. */
int dumps_gcore(const char *folder, size_t bytes, int64_t *ns, const char **reason);

#endif
