/* SPDX-License-Identifier: MIT */
/*
 * The one place where xxHash is compiled in.  Called by the writer, the reader and
 * whoever compares files.
 */
#define _GNU_SOURCE
/* XXH3's inner loops are of four steps: in a row they are 1.7 times as fast.  -O2 leaves them as
 * they are. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("peel-loops")
#endif

#include "rfork/digest.h"

#include <errno.h>
#include <string.h>

#define XXH_INLINE_ALL
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "rfork/io.h"
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

#define PIECE_BYTES ((size_t)8192)

uint64_t rf_digest64_copy(const struct iovec *iov, int count, void *copy, const struct iovec *data,
			  int data_count)
{
	unsigned char *to = copy;
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	for (int i = 0; i < count; i++)
		XXH3_64bits_update(&state, iov[i].iov_base, iov[i].iov_len);
	for (int i = 0; i < data_count; i++) {
		const unsigned char *from = data[i].iov_base;
		size_t left = data[i].iov_len;

		for (size_t piece; left; left -= piece, from += piece, to += piece) {
			piece = left < PIECE_BYTES ? left : PIECE_BYTES;
			memcpy(to, from, piece);
			XXH3_64bits_update(&state, to, piece);
		}
	}
	return XXH3_64bits_digest(&state);
}

/* So often, in bytes, the clock is looked at. */
#define CLOCK_BYTES ((uint64_t)1 << 20)

int rf_digest_file(int fd, uint64_t offset, uint64_t bytes, int64_t deadline_ns, uint64_t digest[2])
{
	/* O_DIRECT wants whole, aligned blocks */
	unsigned char piece[PIECE_BYTES] __attribute__((aligned(4096)));
	XXH3_state_t state;
	XXH128_hash_t hash;

	XXH3_128bits_reset(&state);
	while (bytes) {
		ssize_t got = rf_sys_pread(fd, piece, PIECE_BYTES, offset);

		if (got == -EINTR)
			continue;
		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		if ((uint64_t)got > bytes)
			got = (ssize_t)bytes;
		XXH3_128bits_update(&state, piece, (size_t)got);
		offset += (size_t)got;
		bytes -= (size_t)got;
		if (deadline_ns != RF_NO_DEADLINE && offset % CLOCK_BYTES == 0 &&
		    rf_io_now_ns() > deadline_ns)
			return -ETIMEDOUT;
	}
	hash = XXH3_128bits_digest(&state);
	digest[0] = hash.low64;
	digest[1] = hash.high64;
	return 0;
}
