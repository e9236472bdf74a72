/* SPDX-License-Identifier: MIT */
/*
 * A process with much memory of one kind that forks itself to a node, by turns without compression
 * and with each:
 *
 *     rfork-bench-packing HOST COUNT MEBIBYTES random|text|zeros|mixed
 *
 * mixed: MiB by MiB random bytes and text.  Prints one line a value: "none N", "lz4 N", "zstd N",
 * "auto N", in nanoseconds from the call to the child's first instruction.  Run by rows_packing.c.
 */
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/measure.h"
#include "bench/region.h"

/* By RFORK_COMPRESS_*. */
static const char *const words[] = { "none", "lz4", "zstd", "auto" };
#define WAYS (sizeof(words) / sizeof(words[0]))

/* Lines as those of a log: words of a small vocabulary and numbers. */
static void fill_text(char *memory, size_t bytes)
{
	static const char *const vocabulary[] = { "alpha ", "beta ",	 "gamma ", "delta ",
						  "the ",   "of ",	 "and ",   "value=",
						  "error ", "warning: ", "\n",	   "1234 " };
	uint64_t state = 7;

	for (size_t at = 0; at < bytes;) {
		uint64_t random = region_next_random(&state);
		char word[32];
		int length = random % 4 == 0
				     ? snprintf(word, sizeof(word), "%u ", (unsigned)(random >> 44))
				     : snprintf(word, sizeof(word), "%s",
						vocabulary[(random >> 8) % 12]);

		for (int i = 0; i < length && at < bytes; i++)
			memory[at++] = word[i];
	}
}

static int fill(char *memory, size_t bytes, const char *kind)
{
	if (!strcmp(kind, "random"))
		region_fill_random((uint64_t *)memory, bytes);
	else if (!strcmp(kind, "text"))
		fill_text(memory, bytes);
	else if (!strcmp(kind, "zeros"))
		memset(memory, 0, bytes);
	else if (!strcmp(kind, "mixed"))
		for (size_t at = 0; at < bytes; at += MIB)
			if (at / MIB % 2)
				region_fill_random((uint64_t *)(memory + at), MIB);
			else
				fill_text(memory + at, MIB);
	else
		return -1;
	return 0;
}

static int take_turn(const char *host, size_t bytes)
{
	for (unsigned way = 0; way < WAYS; way++) {
		const struct rfork_options options = { .size = sizeof(options),
						       .flags = RFORK_INSECURE_PLAINTEXT,
						       .compression = way };
		int64_t return_ns;
		int error = region_warm(bytes + bytes / 4);

		if (error == 0)
			error = measure_rfork_with(host, &options, words[way], &return_ns);
		if (error > 0)
			fprintf(stderr, "%s: %s\n", host, rfork_error());
		if (error)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int count = argc == 5 ? atoi(argv[2]) : 0, turn = 0;
	size_t bytes = argc == 5 ? strtoul(argv[3], NULL, 10) * MIB : 0;
	char *memory = bytes ? region_map(bytes) : NULL;

	if (count < 1 || !memory || fill(memory, bytes, argv[4])) {
		fprintf(stderr, "usage: %s HOST COUNT MEBIBYTES random|text|zeros|mixed\n",
			argv[0]);
		return 2;
	}
	for (int i = 0; i < count && turn == 0; i++)
		turn = take_turn(argv[1], bytes);
	return turn == 0 ? 0 : 1;
}
