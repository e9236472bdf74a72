/* SPDX-License-Identifier: MIT */
/*
 * A process with much memory that forks itself to a node, by turns with its floor:
 *
 *     rfork-bench-memory HOST COUNT MEBIBYTES random|sparse|zeros|pause
 *
 * random: memory full of random bytes; floor: plain TCP from that memory into fresh 4 KiB pages.
 * sparse: the same, but every other page of twice as much memory; floor: as for random.
 * zeros:  memory written with zeros; floor: fork() and one reading scan by the child.
 * pause:  random memory and RFORK_ASYNC; floor: fork(), both until the call returns.
 * Prints one line a value: "floor N", "first N", "return N" in nanoseconds.
 * Run by bench.c.
 */
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/floor_tcp.h"
#include "bench/measure.h"
#include "bench/region.h"

enum kind { RANDOM, SPARSE, ZEROS, PAUSE };

#define PAGE_BYTES 4096ul

/* The floor of sparse memory has as much in one piece. */
static int measure_dense_floor(size_t bytes, int64_t *floor_ns)
{
	void *memory = region_map(bytes);
	int result = -1;

	if (!memory)
		return -1;
	region_fill_random(memory, bytes);
	result = floor_tcp(memory, bytes, floor_ns);
	munmap(memory, bytes);
	return result;
}

static int measure_floor(enum kind kind, const void *memory, size_t bytes, int64_t *floor_ns)
{
	struct measure_times times;

	if (kind == RANDOM)
		return floor_tcp(memory, bytes, floor_ns);
	if (kind == SPARSE)
		return measure_dense_floor(bytes, floor_ns);
	if (measure_fork(memory, kind == ZEROS ? bytes : 0, &times))
		return -1;
	*floor_ns = kind == ZEROS ? times.first_ns : times.return_ns;
	return 0;
}

/* One turn: floor and ours, each on warm memory; 0, or -1 after a message. */
static int take_turn(const char *host, enum kind kind, const void *memory, size_t bytes)
{
	int64_t floor_ns, return_ns;
	int error;

	if (region_warm(bytes + bytes / 4) || measure_floor(kind, memory, bytes, &floor_ns))
		return -1;
	if (region_warm(bytes + bytes / 4))
		return -1;
	error = measure_rfork(host, kind == PAUSE ? RFORK_ASYNC : 0, &return_ns);
	if (error > 0)
		fprintf(stderr, "%s: %s\n", host, rfork_error());
	if (error)
		return -1;
	printf("floor %lld\nreturn %lld\n", (long long)floor_ns, (long long)return_ns);
	return fflush(stdout) ? -1 : 0;
}

static int parse_kind(const char *word)
{
	static const char *const words[] = { "random", "sparse", "zeros", "pause" };

	for (int i = 0; i < 4; i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	int count = argc == 5 ? atoi(argv[2]) : 0, turn = 0;
	size_t bytes = argc == 5 ? strtoul(argv[3], NULL, 10) * MIB : 0;
	int kind = argc == 5 ? parse_kind(argv[4]) : -1;
	void *memory;

	if (count < 1 || bytes == 0 || kind == -1) {
		fprintf(stderr, "usage: %s HOST COUNT MEBIBYTES random|zeros|pause\n", argv[0]);
		return 2;
	}
	memory = region_map(kind == SPARSE ? 2 * bytes : bytes);
	if (!memory)
		return 1;
	if (kind == SPARSE)
		for (size_t at = 0; at < bytes; at += PAGE_BYTES)
			region_fill_random((uint64_t *)((char *)memory + 2 * at), PAGE_BYTES);
	else if (kind == ZEROS)
		memset(memory, 0, bytes);
	else
		region_fill_random(memory, bytes);
	for (int i = 0; i < count && turn == 0; i++)
		turn = take_turn(argv[1], (enum kind)kind, memory, bytes);
	return turn == 0 ? 0 : 1;
}
