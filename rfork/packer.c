/* SPDX-License-Identifier: MIT */
/*
 * The compressors, called by the writer of images through its packer.  Both libraries are linked
 * in, and what is called of them neither allocates nor keeps anything outside the memory it is
 * given: no other process is needed, whose start would cost more than a small image.
 */
#define _GNU_SOURCE
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_initStaticCCtx() */
#include "rfork/packer.h"

#include <errno.h>
#include <lz4.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#include <rfork.h>

#include "rfork/sys.h"

#define RECORD_BYTES ((size_t)RF_PAGES_MAX_DATA_PAGES * 4096u)
#define STATE_BYTES ((size_t)64 << 10) /* of LZ4, whose own figure is a function */
/* The fastest one: the others take more time than they save, but on links of a few MB/s. */
#define ZSTD_LEVEL 1

/* Less than this part of the data is not worth unpacking. */
#define LEAST_GAIN 16u

static size_t zstd_bytes(void)
{
	return ZSTD_estimateCCtxSize(ZSTD_LEVEL);
}

/* The data of a record in one piece. */
static const void *gather(const struct rf_packer *packer, const struct rf_image_carried *record)
{
	unsigned char *next = packer->gathered;

	if (record->data_count == 1)
		return record->data->iov_base;
	for (int i = 0; i < record->data_count; i++) {
		memcpy(next, record->data[i].iov_base, record->data[i].iov_len);
		next += record->data[i].iov_len;
	}
	return packer->gathered;
}

/* Each returns how many bytes `packed` holds; 0 = it would be more than `most`. */

static size_t pack_lz4(const struct rf_packer *packer, const void *data, size_t bytes, size_t most)
{
	return (size_t)LZ4_compress_fast_extState(packer->lz4, data, (char *)packer->packed,
						  (int)bytes, (int)most, 1);
}

static size_t pack_zstd(const struct rf_packer *packer, const void *data, size_t bytes, size_t most)
{
	size_t got = ZSTD_compressCCtx(packer->zstd, packer->packed, most, data, bytes, ZSTD_LEVEL);

	return ZSTD_isError(got) ? 0 : got;
}

static enum rf_codec pack(void *context, const struct rf_image_carried *record,
			  struct iovec *packed)
{
	struct rf_packer *packer = context;
	bool is_lz4 = packer->compression == RFORK_COMPRESS_LZ4;
	size_t bytes = record->data_bytes, most = bytes - bytes / LEAST_GAIN;
	const void *data = gather(packer, record);
	size_t got = is_lz4 ? pack_lz4(packer, data, bytes, most)
			    : pack_zstd(packer, data, bytes, most);

	*packed = (struct iovec){ packer->packed, got };
	if (got == 0)
		return RF_CODEC_NONE;
	return is_lz4 ? RF_CODEC_LZ4 : RF_CODEC_ZSTD;
}

static size_t memory_bytes(void)
{
	return 2 * RECORD_BYTES + STATE_BYTES + zstd_bytes();
}

int rf_packer_begin(struct rf_packer *packer, unsigned compression, struct rf_image_writer *writer)
{
	long address;

	if (compression == RFORK_COMPRESS_NONE)
		return 0;
	address = rf_sys_mmap(0, memory_bytes(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (address < 0 && address > -4096)
		return -ENOMEM;
	packer->memory = (unsigned char *)address;
	packer->gathered = packer->memory;
	packer->packed = packer->gathered + RECORD_BYTES;
	packer->lz4 = packer->packed + RECORD_BYTES;
	packer->zstd =
		ZSTD_initStaticCCtx((unsigned char *)packer->lz4 + STATE_BYTES, zstd_bytes());
	if (LZ4_sizeofState() > (int)STATE_BYTES || !packer->zstd)
		return -ENOMEM;
	packer->compression = compression;
	packer->face = (struct rf_image_packer){ .pack = pack, .context = packer };
	writer->packer = &packer->face;
	return 0;
}

void rf_packer_end(struct rf_packer *packer)
{
	if (packer->memory)
		rf_sys_munmap((uintptr_t)packer->memory, memory_bytes());
	packer->memory = NULL;
}
