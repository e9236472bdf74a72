/* SPDX-License-Identifier: MIT */
/*
 * A process with so much random memory that forks itself to a node:
 *
 *     rfork-bench-road HOST COUNT KIBIBYTES
 *
 * HOST has a scheme, tcp:// or rdma://, which says by which road the pages go, whatever their
 * number.  Prints one line a value: "first N", "return N" in nanoseconds.  Run by rows_rdma.c.
 */
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/measure.h"
#include "bench/region.h"

#define KIB 1024ul

/* 0, or -1 after a message. */
static int take_turn(const char *host, size_t bytes)
{
	int64_t return_ns;
	int error = region_warm(bytes + bytes / 4);

	if (error == 0)
		error = measure_rfork(host, RFORK_INSECURE_PLAINTEXT, &return_ns);
	if (error > 0)
		fprintf(stderr, "%s: %s\n", host, rfork_error());
	if (error)
		return -1;
	printf("return %lld\n", (long long)return_ns);
	return fflush(stdout) ? -1 : 0;
}

int main(int argc, char **argv)
{
	int count = argc == 4 ? atoi(argv[2]) : 0, result = 0;
	size_t bytes = argc == 4 ? strtoul(argv[3], NULL, 10) * KIB : 0;
	void *memory;

	if (count < 1 || bytes == 0) {
		fprintf(stderr, "usage: %s HOST COUNT KIBIBYTES\n", argv[0]);
		return 2;
	}
	memory = region_map(bytes);
	if (!memory || setenv("RFORK_RDMA_MIN_BYTES", "1", 1) == -1)
		return 1;
	region_fill_random(memory, bytes);
	for (int i = 0; i < count && result == 0; i++)
		result = take_turn(argv[1], bytes);
	return result == 0 ? 0 : 1;
}
