/* SPDX-License-Identifier: MIT */
/*
 * Which codec pays, if any (RFORK_COMPRESS_AUTO): follows from what has been seen of the link and
 * of the data, and from nothing else.  Called by packer.c, frozen.
 *
 * A record is packed if link and codec together take clearly less time for it than the link alone
 * would for its pages.  What is not known is found out from samples of few pages, which may take
 * one percent of the time; and where one record that is packed in vain would cost much, a sample
 * of each is taken before.
 */
#ifndef RF_PACK_CHOICE_H
#define RF_PACK_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"

/* So much of a record is a sample; zstd takes some time to begin. */
#define RF_PACK_LZ4_SAMPLE_BYTES ((size_t)16 << 10)
#define RF_PACK_ZSTD_SAMPLE_BYTES ((size_t)64 << 10)

/* What TCP says of a connection at some moment. */
struct rf_pack_link {
	int64_t now_ns;
	uint64_t acked_bytes;	/* so far, by the other machine */
	uint64_t delivery_rate; /* bytes a second, in the last round trip; 0 = not known */
	uint32_t round_trip_us;
	uint32_t window_bytes; /* what it sends in a round trip */
	bool is_busy;	       /* there are bytes that wait to be sent */
};

/* What has been seen of one codec; of the data as they were then. */
struct rf_pack_seen {
	bool is_known;
	uint32_t age; /* records since */
	uint64_t ns_per_mib;
	uint64_t packed_per_mib; /* bytes */
};

struct rf_pack_choice {
	uint32_t codecs; /* RF_CODEC_BIT of those that there are */
	uint64_t rate;	 /* of the link, bytes a second; 0 = not known */
	struct rf_pack_link link;
	struct rf_pack_link busy_since; /* the link had no pause; now_ns 0 = it had one */
	int64_t allowance_ns;		/* for samples */
	struct rf_pack_seen seen[RF_CODEC_LAST + 1];
};

void rf_pack_choice_init(struct rf_pack_choice *choice, uint32_t codecs);

/* A record of so many bytes is next, and the link is like that. */
void rf_pack_choice_see(struct rf_pack_choice *choice, const struct rf_pack_link *link,
			size_t bytes);

/* The record is packed and about to be written, and the link is like that: it may have waited. */
void rf_pack_choice_packed(struct rf_pack_choice *choice, const struct rf_pack_link *link);

/* A codec of which a sample is to be taken, and learned; RF_CODEC_NONE when there is none left. */
enum rf_codec rf_pack_choice_probe(struct rf_pack_choice *choice, size_t bytes);

/* What the codec has made of data, and in what time; packed_bytes as many as bytes if it could not
 * make them smaller. */
void rf_pack_choice_learn(struct rf_pack_choice *choice, enum rf_codec codec, size_t bytes,
			  size_t packed_bytes, int64_t ns);

/* The codec for the record. */
enum rf_codec rf_pack_choice_best(const struct rf_pack_choice *choice, size_t bytes);

#endif
