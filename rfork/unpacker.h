/* SPDX-License-Identifier: MIT */
/*
 * Packed page data back into pages (doc/image-format.txt, 12): the node's end of packer.h, in
 * rfork-shell alone.
 */
#ifndef RF_UNPACKER_H
#define RF_UNPACKER_H

#include "rfork/image_reader.h"

/* What the decoder of zstd 1.5 needs, with a quarter to spare for later ones. */
#define RF_UNPACKER_ZSTD_BYTES ((size_t)256 << 10)

/* Belongs into memory that costs nothing before it is used: nothing is allocated later. */
struct rf_unpacker {
	struct rf_page_unpacker face; /* for the reader */
	_Alignas(64) unsigned char zstd[RF_UNPACKER_ZSTD_BYTES];
	unsigned char scattered[RF_PAGES_MAX_DATA_PAGES * 4096u]; /* on its way elsewhere */
};

/* codecs: RF_CODEC_BITs. */
void rf_unpacker_init(struct rf_unpacker *unpacker, uint32_t codecs);

#endif
