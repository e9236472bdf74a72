/* SPDX-License-Identifier: MIT */
/*
 * Memory of huge pages, MAP_HUGETLB, and their size: for the caller, the frozen ghost, undump, and
 * whoever restores an image.  No malloc, no errno.
 */
#ifndef RF_HUGE_PAGES_H
#define RF_HUGE_PAGES_H

#include <stdint.h>

#include "rfork/maps.h"

/* The logarithm of the size of the huge pages of memory that no path leads to; 0 = it has none, or
 * of an unknown size. */
uint32_t rf_huge_page_bits(const struct rf_map *map);

/* A file of memory in huge pages of that size, closed at exec, all of which are reserved: touching
 * them never fails.  A descriptor or a negative errno. */
int rf_huge_pages_make(uint32_t bits, uint64_t bytes);

#endif
