/* SPDX-License-Identifier: MIT */
/*
 * Where the memory of runtime.c comes from.
 */
#ifndef RF_START_RUNTIME_H
#define RF_START_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

/* Maps what malloc() gives out, near the hint; its start.  0 or a negative errno. */
int rf_start_map_memory(uint64_t hint, size_t bytes, uint64_t *start);

#endif
