/* SPDX-License-Identifier: MIT */
/*
 * The one place where xxHash is compiled in.  Called by the writer, the reader and
 * whoever compares files.
 */
#define _GNU_SOURCE
#include "rfork/digest.h"

#include <errno.h>

#define XXH_INLINE_ALL
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "rfork/sys.h"

uint64_t rf_digest64(const void *data, size_t bytes)
{
	return XXH3_64bits(data, bytes);
}

uint64_t rf_digest64_iov(const struct iovec *iov, int count)
{
	XXH3_state_t state;

	if (count == 1)
		return XXH3_64bits(iov[0].iov_base, iov[0].iov_len);
	XXH3_64bits_reset(&state);
	for (int i = 0; i < count; i++)
		XXH3_64bits_update(&state, iov[i].iov_base, iov[i].iov_len);
	return XXH3_64bits_digest(&state);
}

int rf_digest_file(int fd, uint64_t offset, uint64_t bytes, uint64_t digest[2])
{
	enum { PIECE_BYTES = 8192 };
	unsigned char piece[PIECE_BYTES];
	XXH3_state_t state;
	XXH128_hash_t hash;

	XXH3_128bits_reset(&state);
	while (bytes) {
		size_t want = bytes < PIECE_BYTES ? bytes : PIECE_BYTES;
		ssize_t got = rf_sys_pread(fd, piece, want, offset);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		XXH3_128bits_update(&state, piece, (size_t)got);
		offset += (size_t)got;
		bytes -= (size_t)got;
	}
	hash = XXH3_128bits_digest(&state);
	digest[0] = hash.low64;
	digest[1] = hash.high64;
	return 0;
}
