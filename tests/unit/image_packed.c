/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/unit/image_packed.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "rfork/unpacker.h"

unsigned char packed_data[PACKED_DATA_BYTES];

size_t packed_bytes(enum rf_codec codec, void *packed, const void *data, size_t bytes)
{
	size_t room = 2 * bytes + SAMPLE_PAGE, got;

	if (codec == RF_CODEC_LZ4)
		return (size_t)LZ4_compress_default(data, packed, (int)bytes, (int)room);
	got = ZSTD_compress(packed, room, data, bytes, 3);
	if (ZSTD_isError(got))
		abort();
	return got;
}

void packed_replace(struct sample *sample, enum rf_codec codec, const void *bytes, size_t count)
{
	struct sample_record *record = sample_find(sample, RF_RECORD_PAGES, 0);
	struct rf_image_pages *head = (struct rf_image_pages *)record->payload;
	size_t table = sizeof(*head) + head->runs * sizeof(struct rf_image_run);

	head->codec = codec;
	sample_resize(record, (uint32_t)(table + count));
	memcpy(record->payload + table, bytes, count);
}

static void fill_data(void)
{
	for (size_t i = 0; i < sizeof(packed_data); i++)
		packed_data[i] = (unsigned char)(i % 251 * (i / 1000));
}

void packed_pack(struct sample *sample, enum rf_codec codec)
{
	static unsigned char packed[2 * PACKED_DATA_BYTES + SAMPLE_PAGE];

	fill_data();
	packed_replace(sample, codec, packed,
		       packed_bytes(codec, packed, packed_data, sizeof(packed_data)));
}

void packed_replace_content(struct sample *sample, enum rf_codec codec, const void *bytes,
			    size_t count)
{
	struct sample_record *record = sample_find(sample, RF_RECORD_CONTENT, 0);
	struct rf_image_content *head = (struct rf_image_content *)record->payload;

	head->codec = codec;
	head->offset = 5;
	head->bytes = PACKED_CONTENT_BYTES;
	sample_resize(record, (uint32_t)(sizeof(*head) + count));
	memcpy(record->payload + sizeof(*head), bytes, count);
}

void packed_pack_content(struct sample *sample, enum rf_codec codec)
{
	static unsigned char packed[2 * PACKED_CONTENT_BYTES + SAMPLE_PAGE];

	fill_data();
	packed_replace_content(sample, codec, packed,
			       packed_bytes(codec, packed, packed_data, PACKED_CONTENT_BYTES));
}

void packed_agree(uint32_t codecs)
{
	static struct rf_unpacker unpacker;

	rf_unpacker_init(&unpacker, codecs);
	sample_unpacker = codecs ? &unpacker.face : NULL;
}
