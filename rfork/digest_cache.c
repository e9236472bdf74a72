/* SPDX-License-Identifier: MIT */
/*
 * The cache of digests of mapped files.  A file that changes gets another mtime or
 * ctime and so another key.
 */
#include "rfork/digest_cache.h"

#include <string.h>

static bool is_match(const struct rf_digest_entry *entry, const struct rf_image_file *file,
		     uint64_t offset, uint64_t bytes)
{
	return entry->inode == file->inode && entry->device == file->device &&
	       entry->size_bytes == file->size_bytes && entry->mtime_ns == file->mtime_ns &&
	       entry->ctime_ns == file->ctime_ns && entry->offset == offset &&
	       entry->bytes == bytes;
}

bool rf_digest_cache_find(const struct rf_digest_cache *cache, const struct rf_image_file *file,
			  uint64_t offset, uint64_t bytes, uint64_t digest[2])
{
	size_t count = cache->count < RF_DIGEST_CACHE_ENTRIES ? cache->count
							      : RF_DIGEST_CACHE_ENTRIES;

	for (size_t i = 0; i < count; i++) {
		if (is_match(&cache->entries[i], file, offset, bytes)) {
			memcpy(digest, cache->entries[i].digest, sizeof(cache->entries[i].digest));
			return true;
		}
	}
	return false;
}

void rf_digest_cache_add(struct rf_digest_cache *cache, const struct rf_image_file *file,
			 uint64_t offset, uint64_t bytes, const uint64_t digest[2])
{
	cache->entries[cache->count++ % RF_DIGEST_CACHE_ENTRIES] = (struct rf_digest_entry){
		.device = file->device,
		.inode = file->inode,
		.size_bytes = file->size_bytes,
		.mtime_ns = file->mtime_ns,
		.ctime_ns = file->ctime_ns,
		.offset = offset,
		.bytes = bytes,
		.digest = { digest[0], digest[1] },
	};
}
