/* SPDX-License-Identifier: MIT */
/*
 * Protection keys, pkeys(7): which a process has, and what its thread may do with memory under
 * them.  For the caller, the frozen ghost, and whoever restores an image.  No malloc, no errno.
 */
#ifndef RF_PROTECTION_KEYS_H
#define RF_PROTECTION_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/report.h"

/* Numbers of keys are below it; 0 is that of memory without one. */
#define RF_PROTECTION_KEYS 16u
#define RF_PROTECTION_KEYS_ALL (((1u << RF_PROTECTION_KEYS) - 1) & ~1u)

/* Whether CPU and kernel have protection keys. */
bool rf_keys_exist(void);

/* Those that the process has allocated, a bit for each; not the one that the kernel itself takes
 * for memory that can only be executed. */
uint32_t rf_keys_allocated(void);

/* Whether a key, whatever its number, is one of those. */
static inline bool rf_keys_have(uint32_t keys, uint32_t key)
{
	return key < RF_PROTECTION_KEYS && keys >> key & 1;
}

/* Allocates just these for the calling process, which has none; 0, or -ENOTSUP with a report. */
int rf_keys_allocate(uint32_t keys, struct rf_report *report);

/* What a thread may do with memory under keys, where there are any. */
struct rf_key_rights {
	bool are_known;
	uint32_t rights;
};

/* Lets the calling thread do everything, and says what it was allowed before; and gives it that
 * back. */
struct rf_key_rights rf_keys_open(void);
void rf_keys_close(const struct rf_key_rights *was);

#endif
