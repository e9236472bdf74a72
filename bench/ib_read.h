/* SPDX-License-Identifier: MIT */
/*
 * RDMA devices of this machine, and how fast they read.
 */
#ifndef BENCH_IB_READ_H
#define BENCH_IB_READ_H

#include <stddef.h>

#include "bench/series.h"

/* The first device; -1 if there is none. */
int ib_find_device(char *name, size_t bytes);

/* What is said of a device's port 1 in one line. */
void ib_describe(const char *name, char *text, size_t bytes);

/*
 * Adds the bandwidth, in GB/s, of READs of 1 MiB from this machine to itself, as ib_read_bw of
 * perftest measures it; or says in series->skipped why not.  0, or -1 after a message.
 */
int ib_read_bandwidth(const char *name, struct series *series);

#endif
