/* SPDX-License-Identifier: MIT */
/*
 * Called by the image reader, in rfork-shell, with bytes of whoever has the key: each codec gets
 * exactly the room that the checked run table gives, and must fill it.
 */
#define _GNU_SOURCE
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticDCtx() */
#include "rfork/unpacker.h"

#include <errno.h>
#include <lz4.h>
#include <string.h>
#include <zstd.h>

#include "rfork/sys.h"

_Static_assert(RF_CONTENT_MAX_BYTES == RF_PAGES_MAX_DATA_PAGES * 4096u, "one room for both");

static int unpack_lz4(const struct iovec *packed, const struct iovec *data)
{
	int got = LZ4_decompress_safe(packed->iov_base, data->iov_base, (int)packed->iov_len,
				      (int)data->iov_len);

	return got == (int)data->iov_len ? 0 : -EBADMSG;
}

/* One frame, of the one format: libzstd might know older ones, whose decoders are less well kept
 * and allocate. */
static bool is_one_frame(const struct iovec *packed)
{
	uint32_t magic;

	if (packed->iov_len < sizeof(magic))
		return false;
	memcpy(&magic, packed->iov_base, sizeof(magic));
	return magic == ZSTD_MAGICNUMBER &&
	       ZSTD_findFrameCompressedSize(packed->iov_base, packed->iov_len) == packed->iov_len;
}

static int unpack_zstd(struct rf_unpacker *unpacker, const struct iovec *packed,
		       const struct iovec *data)
{
	ZSTD_DCtx *context = ZSTD_initStaticDCtx(unpacker->zstd, sizeof(unpacker->zstd));

	if (!context || !is_one_frame(packed))
		return -EBADMSG;
	return ZSTD_decompressDCtx(context, data->iov_base, data->iov_len, packed->iov_base,
				   packed->iov_len) == data->iov_len
		       ? 0
		       : -EBADMSG;
}

static void scatter(const unsigned char *from, const struct iovec *data, uint32_t count)
{
	for (; count; from += data->iov_len, data++, count--)
		memcpy(data->iov_base, from, data->iov_len);
}

/* The same through the kernel, which says where a file has ended. */
static int scatter_into_files(const struct iovec *whole, const struct iovec *data, uint32_t count)
{
	long done = rf_syscall(SYS_process_vm_writev, rf_syscall(SYS_getpid), whole, 1, data,
			       (unsigned long)count, 0);

	/* a container may forbid it, and has no file that ends before its pages but by malice */
	if (done == -EPERM || done == -ENOSYS)
		scatter(whole->iov_base, data, count);
	else if (done != (long)whole->iov_len)
		return done < 0 && done != -EFAULT ? (int)done : -EFAULT;
	return 0;
}

static int unpack(void *context, enum rf_codec codec, const struct iovec *packed,
		  const struct iovec *data, uint32_t count, bool is_of_file)
{
	struct rf_unpacker *unpacker = context;
	struct iovec whole = { unpacker->scattered, 0 };
	int error;

	for (uint32_t i = 0; i < count; i++)
		whole.iov_len += data[i].iov_len;
	if (count == 1 && !is_of_file)
		whole = *data;
	error = codec == RF_CODEC_LZ4 ? unpack_lz4(packed, &whole)
				      : unpack_zstd(unpacker, packed, &whole);
	if (error == 0 && is_of_file)
		return scatter_into_files(&whole, data, count);
	if (error == 0 && count > 1)
		scatter(unpacker->scattered, data, count);
	return error;
}

void rf_unpacker_init(struct rf_unpacker *unpacker, uint32_t codecs)
{
	unpacker->face = (struct rf_page_unpacker){
		.codecs = codecs, .unpack = unpack, .context = unpacker, .room = unpacker->scattered
	};
}
