/* SPDX-License-Identifier: MIT */
/*
 * Digests of ranges of mapped files that this process has computed, so that the next
 * rfork() to another machine need not read its libraries again.  Filled by the
 * caller before the fork, read by the ghost.
 */
#ifndef RF_DIGEST_CACHE_H
#define RF_DIGEST_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"

#define RF_DIGEST_CACHE_ENTRIES 96

struct rf_digest_entry {
	uint64_t device, inode, size_bytes;
	int64_t mtime_ns, ctime_ns;
	uint64_t offset, bytes;
	uint64_t digest[2];
};

struct rf_digest_cache {
	size_t count; /* entries ever added; the oldest give way */
	struct rf_digest_entry entries[RF_DIGEST_CACHE_ENTRIES];
};

/* Looks a range up; false if it is not there. */
bool rf_digest_cache_find(const struct rf_digest_cache *cache, const struct rf_image_file *file,
			  uint64_t offset, uint64_t bytes, uint64_t digest[2]);

/* Remembers a range, unless the file changed within the last two seconds: times have a grain, and it
 * may change again within that. */
void rf_digest_cache_add(struct rf_digest_cache *cache, const struct rf_image_file *file,
			 uint64_t offset, uint64_t bytes, const uint64_t digest[2]);

#endif
