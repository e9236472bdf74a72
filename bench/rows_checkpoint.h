/* SPDX-License-Identifier: MIT */
/*
 * The rows of checkpoints and of executables that go on.
 */
#ifndef BENCH_ROWS_CHECKPOINT_H
#define BENCH_ROWS_CHECKPOINT_H

#include <signal.h>
#include <stdio.h>

/* Measures, with programs of the folder; ends early, with what there is, once *interrupted is not
 * 0.  0, or -1 after a message. */
int rows_checkpoint_measure(const char *folder, const volatile sig_atomic_t *interrupted);

/* Prints the rows, to csv too unless that is NULL. */
void rows_checkpoint_print(FILE *csv);

#endif
