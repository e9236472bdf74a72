/* SPDX-License-Identifier: MIT */
/*
 * The rows of pages that go by TCP and by RDMA.
 */
#ifndef BENCH_ROWS_RDMA_H
#define BENCH_ROWS_RDMA_H

#include <signal.h>
#include <stdio.h>

/*
 * Measures moves to `host`, HOST:PORT of a node whose key RFORK_KEY_FILE names, with programs of
 * the folder; ends early, with what there is, once *interrupted is not 0.  Without a device all
 * that needs one is skipped.  0, or -1 after a message.
 */
int rows_rdma_measure(const char *folder, const char *host,
		      const volatile sig_atomic_t *interrupted);

/* Prints the device, each line after `prefix`. */
void rows_rdma_device(FILE *file, const char *prefix);

/* Prints the rows, to csv too unless that is NULL. */
void rows_rdma_print(FILE *csv);

#endif
