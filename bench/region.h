/* SPDX-License-Identifier: MIT */
/*
 * The memory that subjects have much of.
 */
#ifndef BENCH_REGION_H
#define BENCH_REGION_H

#include <stddef.h>
#include <stdint.h>

#define MIB (1ul << 20)

/* Untouched private memory; NULL after a message. */
void *region_map(size_t bytes);

/* Fills memory with what no compression and no search for zeros makes smaller. */
void region_fill_random(uint64_t *words, size_t bytes);

/*
 * Touches as much memory as a measurement will take, and lets it go: a virtual machine may have
 * given free memory back to its host, and would pay for it in whatever comes first.  0, or -1 after
 * a message.
 */
int region_warm(size_t bytes);

/* The next of a row of numbers that look random; *state: not 0. */
uint64_t region_next_random(uint64_t *state);

#endif
