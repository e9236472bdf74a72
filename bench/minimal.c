/* SPDX-License-Identifier: MIT */
/*
 * A near-minimal dynamic process that forks itself to a node again and again:
 *
 *     rfork-bench-minimal HOST COUNT GAP_MS [reserved|touched|lz4|zstd]
 *
 * `reserved` adds 64 GiB of reserved address space that nothing has touched, `touched` 1 GiB that
 * was only read; `lz4` and `zstd` are its compression.  GAP_MS of idle time lie between two forks.
 * Prints one line a value, "first N" and "return N", in nanoseconds.  Run by bench.c.
 */
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/measure.h"

#define GIB (1ul << 30)
#define MOST 1000

static int64_t return_ns[MOST];

static unsigned compression_of(const char *kind)
{
	if (!kind || (strcmp(kind, "lz4") && strcmp(kind, "zstd")))
		return RFORK_COMPRESS_NONE;
	return *kind == 'l' ? RFORK_COMPRESS_LZ4 : RFORK_COMPRESS_ZSTD;
}

static int prepare(const char *kind)
{
	int reserved = !strcmp(kind, "reserved");
	size_t bytes = reserved ? 64 * GIB : GIB;
	volatile char *memory;

	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return -1;
	}
	for (size_t i = 0; !reserved && i < bytes; i += 4096)
		(void)memory[i];
	return 0;
}

int main(int argc, char **argv)
{
	int count = argc < 4 ? 0 : atoi(argv[2]), gap_ms = argc < 4 ? 0 : atoi(argv[3]);
	struct rfork_options options = { .size = sizeof(options) };
	struct timespec gap = { gap_ms / 1000, gap_ms % 1000 * 1000000l };

	if (count < 1 || count > MOST || argc > 5) {
		fprintf(stderr, "usage: %s HOST COUNT GAP_MS [reserved|touched|lz4|zstd]\n",
			argv[0]);
		return 2;
	}
	options.compression = compression_of(argv[4]);
	if (argc == 5 && !options.compression && prepare(argv[4]))
		return 1;
	for (int i = 0; i < count; i++) {
		int error = measure_rfork_with(argv[1], &options, "first", &return_ns[i]);

		if (error > 0)
			fprintf(stderr, "%s: %s\n", argv[1], rfork_error());
		if (error)
			return 1;
		nanosleep(&gap, NULL); /* what is measured is an idle node */
	}
	for (int i = 0; i < count; i++)
		printf("return %lld\n", (long long)return_ns[i]);
	return fflush(stdout) ? 1 : 0;
}
