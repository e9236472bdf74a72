/* SPDX-License-Identifier: MIT */
/*
 * What only /proc/PID/smaps tells of mappings: locks, protection keys, and what madvise(2) and
 * mseal(2) have marked.  The kernel walks over all page tables to write it: some 10 ms for each GiB
 * of small pages.
 */
#ifndef RF_SMAPS_H
#define RF_SMAPS_H

#include <stdint.h>

struct rf_smaps_mapping {
	uint64_t start, end;
	uint32_t flags; /* RF_MAPPING_LOCKS, RF_MAPPING_MARKS */
	uint32_t key;	/* its protection key */
};

typedef void (*rf_smaps_visit)(void *context, const struct rf_smaps_mapping *mapping);

/* Reads an open smaps, and calls for each mapping in turn; 0 or a negative errno.  No malloc, no
 * errno. */
int rf_smaps_read(int fd, rf_smaps_visit visit, void *context);

#endif
