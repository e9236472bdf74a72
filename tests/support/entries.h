/* SPDX-License-Identifier: MIT */
/*
 * Directories whose files have numbers for names, for programs that read one in part, and go on
 * elsewhere.
 */
#ifndef TEST_SUPPORT_ENTRIES_H
#define TEST_SUPPORT_ENTRIES_H

#include <stdbool.h>

/* Reads the next entries of a directory, about twenty, and counts in seen[N] those of name N, which
 * must be below `count`; false at the end. */
bool test_read_entries(int directory, unsigned *seen, int count);

#endif
