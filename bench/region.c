/* SPDX-License-Identifier: MIT */
/*
 * Memory that is mapped, filled and warmed.  Called by the subjects (memory.c, checkpoint.c,
 * image.c).
 */
#include "bench/region.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define SEED UINT64_C(88172645463325252)

void *region_map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		return NULL;
	}
	return memory;
}

uint64_t region_next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void region_fill_random(uint64_t *words, size_t bytes)
{
	uint64_t state = SEED;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = region_next_random(&state);
}

int region_warm(size_t bytes)
{
	void *memory = region_map(bytes);

	if (!memory)
		return -1;
	madvise(memory, bytes, MADV_HUGEPAGE); /* only quicker */
	memset(memory, 1, bytes);
	munmap(memory, bytes);
	return 0;
}
