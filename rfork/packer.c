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

#include "rfork/io.h"
#include "rfork/pack_link.h"
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

/* Packs a piece; how many bytes it has then, 0 = they would be more than `most`. */
static size_t pack_piece(const struct rf_packer *packer, enum rf_codec codec, const void *data,
			 size_t bytes, size_t most)
{
	size_t got;

	if (codec == RF_CODEC_LZ4)
		return (size_t)LZ4_compress_fast_extState(packer->lz4, data, (char *)packer->packed,
							  (int)bytes, (int)most, 1);
	got = ZSTD_compressCCtx(packer->zstd, packer->packed, most, data, bytes, ZSTD_LEVEL);
	return ZSTD_isError(got) ? 0 : got;
}

static size_t pack_record(const struct rf_packer *packer, enum rf_codec codec,
			  const struct rf_image_carried *record)
{
	size_t bytes = record->data_bytes;

	return pack_piece(packer, codec, gather(packer, record), bytes, bytes - bytes / LEAST_GAIN);
}

/* -- the choice -------------------------------------------------------------------------------- */

static size_t or_all(size_t got, size_t bytes)
{
	return got ? got : bytes;
}

/* A sample is from the middle of a record, as far as its piece there goes. */
static void take_sample(struct rf_packer *packer, enum rf_codec codec,
			const struct rf_image_carried *record)
{
	const struct iovec *piece = &record->data[record->data_count / 2];
	size_t bytes = codec == RF_CODEC_LZ4 ? RF_PACK_LZ4_SAMPLE_BYTES : RF_PACK_ZSTD_SAMPLE_BYTES;
	int64_t start_ns = rf_io_now_ns();
	size_t got;

	if (bytes > piece->iov_len)
		bytes = piece->iov_len;
	got = pack_piece(packer, codec,
			 (const char *)piece->iov_base + (piece->iov_len - bytes) / 2, bytes,
			 bytes - bytes / LEAST_GAIN);
	rf_pack_choice_learn(&packer->choice, codec, bytes, or_all(got, bytes),
			     rf_io_now_ns() - start_ns);
}

/* Which codec the record is packed by. */
static enum rf_codec choose(struct rf_packer *packer, const struct rf_image_carried *record)
{
	struct rf_pack_link link;
	enum rf_codec codec;

	if (packer->compression == RFORK_COMPRESS_LZ4)
		return RF_CODEC_LZ4;
	if (packer->compression == RFORK_COMPRESS_ZSTD)
		return RF_CODEC_ZSTD;
	if (!rf_pack_link_look(packer->connection, &link))
		return RF_CODEC_NONE;
	rf_pack_choice_see(&packer->choice, &link, record->data_bytes);
	while ((codec = rf_pack_choice_probe(&packer->choice, record->data_bytes)) != RF_CODEC_NONE)
		take_sample(packer, codec, record);
	return rf_pack_choice_best(&packer->choice, record->data_bytes);
}

static size_t pack_and_learn(struct rf_packer *packer, enum rf_codec codec,
			     const struct rf_image_carried *record)
{
	int64_t start_ns = rf_io_now_ns();
	size_t got = pack_record(packer, codec, record);
	struct rf_pack_link link;

	rf_pack_choice_learn(&packer->choice, codec, record->data_bytes,
			     or_all(got, record->data_bytes), rf_io_now_ns() - start_ns);
	if (rf_pack_link_look(packer->connection, &link))
		rf_pack_choice_packed(&packer->choice, &link);
	return got;
}

static enum rf_codec pack(void *context, const struct rf_image_carried *record,
			  struct iovec *packed)
{
	struct rf_packer *packer = context;
	bool is_auto = packer->compression == RFORK_COMPRESS_AUTO;
	enum rf_codec codec = choose(packer, record);
	size_t got;

	if (codec == RF_CODEC_NONE)
		return codec;
	got = is_auto ? pack_and_learn(packer, codec, record) : pack_record(packer, codec, record);
	*packed = (struct iovec){ packer->packed, got };
	return got ? codec : RF_CODEC_NONE;
}

/* -- its memory -------------------------------------------------------------------------------- */

static size_t memory_bytes(void)
{
	return 2 * RECORD_BYTES + STATE_BYTES + zstd_bytes();
}

int rf_packer_begin(struct rf_packer *packer, unsigned compression, uint32_t codecs,
		    struct rf_image_writer *writer)
{
	long address;

	if (compression == RFORK_COMPRESS_NONE)
		return 0;
	address = rf_sys_mmap(0, memory_bytes(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	/* who has demanded nothing does without */
	if (address < 0 && address > -4096)
		return compression == RFORK_COMPRESS_AUTO ? 0 : -ENOMEM;
	packer->memory = (unsigned char *)address;
	packer->gathered = packer->memory;
	packer->packed = packer->gathered + RECORD_BYTES;
	packer->lz4 = packer->packed + RECORD_BYTES;
	packer->zstd =
		ZSTD_initStaticCCtx((unsigned char *)packer->lz4 + STATE_BYTES, zstd_bytes());
	if (LZ4_sizeofState() > (int)STATE_BYTES || !packer->zstd)
		return -ENOMEM;
	packer->compression = compression;
	packer->connection = writer->fd;
	rf_pack_choice_init(&packer->choice, codecs);
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
