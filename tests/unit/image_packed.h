/* SPDX-License-Identifier: MIT */
/*
 * The sample with packed pages, made by the codecs' own simplest calls, apart from the library's
 * packer.
 */
#ifndef TEST_UNIT_IMAGE_PACKED_H
#define TEST_UNIT_IMAGE_PACKED_H

#include "tests/unit/image_reading.h"

#define PACKED_DATA_BYTES (3 * SAMPLE_PAGE) /* of the sample's PAGES record */

/* What those pages hold then. */
extern unsigned char packed_data[PACKED_DATA_BYTES];

/* Packs the sample's pages. */
void packed_pack(struct sample *sample, enum rf_codec codec);

/* Replaces what follows the run table of PAGES, and says how it is packed. */
void packed_replace(struct sample *sample, enum rf_codec codec, const void *bytes, size_t count);

/* The same of the sample's CONTENT, see sample_add_contents(), which is PACKED_CONTENT_BYTES of
 * packed_data then; and of what follows its head. */
#define PACKED_CONTENT_BYTES 3000u
void packed_pack_content(struct sample *sample, enum rf_codec codec);
void packed_replace_content(struct sample *sample, enum rf_codec codec, const void *bytes,
			    size_t count);

/* Packs anything: how many bytes `packed`, which has room for twice as many and a page, holds. */
size_t packed_bytes(enum rf_codec codec, void *packed, const void *data, size_t bytes);

/* Readings may meet pages packed so: RF_CODEC_BITs. */
void packed_agree(uint32_t codecs);

#endif
