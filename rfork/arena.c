/* SPDX-License-Identifier: MIT */
/*
 * The ghost's memory.  Mapped by the caller before the fork, used by both sides of
 * it, unmapped in the caller after it.
 */
#define _GNU_SOURCE
#include "rfork/arena.h"

#include <errno.h>
#include <sys/mman.h>

#include "rfork/sys.h"

int rf_arena_map(struct rf_arena *arena, size_t bytes)
{
	long address = rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (address < 0 && address > -4096)
		return -ENOMEM;
	*arena = (struct rf_arena){ .base = (unsigned char *)address, .bytes = bytes };
	rf_sys_madvise((uintptr_t)address, bytes, MADV_DONTDUMP);
	/* where huge pages are "always", one byte would take, and clear, 2 MiB */
	rf_sys_madvise((uintptr_t)address, bytes, MADV_NOHUGEPAGE);
	return 0;
}

void rf_arena_unmap(struct rf_arena *arena)
{
	if (arena->base)
		rf_sys_munmap((uintptr_t)arena->base, arena->bytes);
	*arena = (struct rf_arena){ 0 };
}

void *rf_arena_take(struct rf_arena *arena, size_t bytes)
{
	size_t rounded = (bytes + 63) & ~(size_t)63;
	void *memory = arena->base + arena->used;

	if (rounded < bytes || rounded > arena->bytes - RF_ARENA_STACK_BYTES - arena->used)
		return NULL;
	arena->used += rounded;
	return memory;
}

void *rf_arena_rest(const struct rf_arena *arena, size_t *bytes)
{
	*bytes = arena->bytes - RF_ARENA_STACK_BYTES - arena->used;
	return arena->base + arena->used;
}
