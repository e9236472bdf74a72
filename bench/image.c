/* SPDX-License-Identifier: MIT */
/*
 * Fills memory with random bytes and becomes an executable, which says hello when it is started, as
 * hello.c does:
 *
 *     rfork-bench-image MEBIBYTES PATH
 *
 * Run by rows_checkpoint.c.
 */
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/region.h"

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? strtoul(argv[1], NULL, 10) * MIB : 0;
	void *memory;

	if (!bytes) {
		fprintf(stderr, "usage: %s MEBIBYTES PATH\n", argv[0]);
		return 2;
	}
	memory = region_map(bytes);
	if (!memory)
		return 1;
	region_fill_random(memory, bytes);
	switch (rfork_undump(argv[2])) {
	case 1:
		return 0;
	case -1:
		fprintf(stderr, "%s: %s\n", argv[2], rfork_error());
		return 1;
	}
	return puts("hello") == EOF || fflush(stdout) == EOF;
}
