/* SPDX-License-Identifier: MIT */
/*
 * Finds and allocates protection keys.  The kernel tells nobody which are allocated, but refuses
 * others to pkey_mprotect(2) before it looks for memory (Linux, mm/mprotect.c).
 */
#define _GNU_SOURCE
#include "rfork/protection_keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "rfork/arch.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u

static bool is_allocated(uint32_t key)
{
	return rf_syscall(SYS_pkey_mprotect, RF_ARCH_NO_MEMORY, PAGE_BYTES, PROT_NONE, key) ==
	       -ENOMEM;
}

/* The first is every process's, where there are any. */
bool rf_keys_exist(void)
{
	return is_allocated(0);
}

uint32_t rf_keys_allocated(void)
{
	uint32_t keys = 0;

	if (!rf_keys_exist())
		return 0;
	for (uint32_t key = 1; key < RF_PROTECTION_KEYS; key++)
		keys |= (uint32_t)is_allocated(key) << key;
	return keys;
}

/* The kernel gives the lowest that is free: those before a wanted one are given back. */
int rf_keys_allocate(uint32_t keys, struct rf_report *report)
{
	uint32_t made = 0;

	if (keys && !rf_keys_exist())
		return rf_report(report, ENOTSUP,
				 "protection key %d is in use, and this machine has none",
				 __builtin_ctz(keys));
	while ((made & keys) != keys) {
		long key = rf_syscall(SYS_pkey_alloc, 0, 0);

		if (key < 0)
			return rf_report(report, ENOTSUP,
					 "protection key %d is in use, and cannot be had: %s",
					 __builtin_ctz(keys & ~made), strerrordesc_np((int)-key));
		made |= 1u << key;
	}
	for (uint32_t key = 1; key < RF_PROTECTION_KEYS; key++)
		if (made & ~keys & 1u << key)
			rf_syscall(SYS_pkey_free, key);
	return 0;
}

struct rf_key_rights rf_keys_open(void)
{
	struct rf_key_rights was = { .are_known = rf_keys_exist() };

	if (was.are_known) {
		was.rights = rf_arch_key_rights();
		rf_arch_set_key_rights(0);
	}
	return was;
}

void rf_keys_close(const struct rf_key_rights *was)
{
	if (was->are_known)
		rf_arch_set_key_rights(was->rights);
}
