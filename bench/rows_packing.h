/* SPDX-License-Identifier: MIT */
/*
 * The rows of compression: none, LZ4, zstd and the library's choice, over loopback and over a link
 * of 1 Gbit/s.
 */
#ifndef BENCH_ROWS_PACKING_H
#define BENCH_ROWS_PACKING_H

#include <signal.h>
#include <stdio.h>

/*
 * Measures with programs of the folder; ends early once *interrupted is not 0.  host: a node on
 * loopback.  server: what is started for the link, in a network namespace of its own, into which
 * this process moves: comes last.  Where that cannot be had its rows are skipped.  0, or -1 after
 * a message.
 */
int rows_packing_measure(const char *folder, const char *host, const char *server,
			 const volatile sig_atomic_t *interrupted);

void rows_packing_print(FILE *csv);

#endif
