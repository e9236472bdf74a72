/* SPDX-License-Identifier: MIT */
/*
 * The cache of digests of files.  A file that changes gets another mtime or ctime and so
 * another key.
 */
#include "rfork/digest_cache.h"

#include <string.h>

#include "rfork/sys.h"

#define GRAIN_NS INT64_C(2000000000) /* the coarsest of any file system in use */

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

static bool is_settled(const struct rf_image_file *file)
{
	struct timespec now;
	int64_t now_ns;

	if (rf_syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) < 0)
		return false;
	now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	return file->mtime_ns < now_ns - GRAIN_NS && file->ctime_ns < now_ns - GRAIN_NS;
}

void rf_digest_cache_add(struct rf_digest_cache *cache, const struct rf_image_file *file,
			 uint64_t offset, uint64_t bytes, const uint64_t digest[2])
{
	if (!is_settled(file))
		return;
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
