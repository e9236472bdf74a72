/* SPDX-License-Identifier: MIT */
/*
 * Makes page data smaller on their way to the node (doc/image-format.txt, 12).  Runs frozen, in
 * the ghost, in memory of its own that is no part of the image.
 */
#ifndef RF_PACKER_H
#define RF_PACKER_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/image_writer.h"
#include "rfork/pack_choice.h"

struct rf_packer {
	struct rf_image_packer face;  /* for the writer */
	unsigned compression;	      /* RFORK_COMPRESS_* */
	int connection;		      /* that of the writer: AUTO looks at it */
	struct rf_pack_choice choice; /* of AUTO */
	unsigned char *memory;	      /* NULL = there is none */
	unsigned char *gathered;      /* the data of a record whose runs lie in several places */
	unsigned char *packed;
	void *lz4;  /* the state of its compressor */
	void *zstd; /* ZSTD_CCtx */
};

/*
 * Prepares to pack as the peers have agreed, and tells the writer; nothing if that is
 * RFORK_COMPRESS_NONE, or _AUTO without memory for it.  codecs: RF_CODEC_BIT of those that the node
 * can unpack.  0 or a negative errno.  rf_packer_end() is right after both.
 */
int rf_packer_begin(struct rf_packer *packer, unsigned compression, uint32_t codecs,
		    struct rf_image_writer *writer);

/* Gives the memory back; the writer must not be used for pages any more. */
void rf_packer_end(struct rf_packer *packer);

#endif
