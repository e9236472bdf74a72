/* SPDX-License-Identifier: MIT */
/*
 * Digests of records, pages and files: XXH3 of the xxHash library, compiled into
 * one object.  No malloc and no errno: used in the frozen ghost.
 */
#ifndef RF_DIGEST_H
#define RF_DIGEST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* XXH3-64, seed 0. */
uint64_t rf_digest64(const void *data, size_t bytes);

/* XXH3-64, seed 0, of the concatenation of count buffers. */
uint64_t rf_digest64_iov(const struct iovec *iov, int count);

/* The same of two lists of buffers, one behind the other; what the second holds is copied to `copy`
 * on the way, so that it comes from memory but once. */
uint64_t rf_digest64_copy(const struct iovec *iov, int count, void *copy, const struct iovec *data,
			  int data_count);

/*
 * XXH3-128 (low, high), seed 0, of `bytes` bytes of a file from offset, or to the file's end if
 * that comes first.  fd may be open for O_DIRECT if offset is page aligned.  0, -ETIMEDOUT at the
 * deadline (rfork/io.h), or another negative errno.
 */
int rf_digest_file(int fd, uint64_t offset, uint64_t bytes, int64_t deadline_ns,
		   uint64_t digest[2]);

#endif
