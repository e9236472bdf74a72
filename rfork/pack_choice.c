/* SPDX-License-Identifier: MIT */
/*
 * The model behind rf_pack_choice_best(): the kernel sends what it has been given while the next
 * record is packed, so that a record takes as long as the slower of the two, and a part of the
 * other.
 */
#include "rfork/pack_choice.h"

#define MIB ((uint64_t)1 << 20)
#define NS_PER_S UINT64_C(1000000000)

/* Packing must save so much: estimates err. */
#define WORTH_PERCENT 10u
/* A rate is measured over so long at least: acknowledgements come in bursts. */
#define MEASURE_NS 2000000
/* What samples may take of the time, and how much of it is saved up. */
#define ALLOWANCE_PERCENT 1
#define ALLOWANCE_MOST_NS 2000000
/* What a sample is reckoned at. */
#define LZ4_SAMPLE_NS 30000
#define ZSTD_SAMPLE_NS 200000
/* The longest that packing takes. */
#define SLOW_NS_PER_MIB 4000000
/* After so many records another codec is looked at again. */
#define OLD_RECORDS 32u

static enum rf_codec next_codec(const struct rf_pack_choice *choice, enum rf_codec codec)
{
	while (++codec <= RF_CODEC_LAST)
		if (choice->codecs & RF_CODEC_BIT(codec))
			return codec;
	return RF_CODEC_NONE;
}

void rf_pack_choice_init(struct rf_pack_choice *choice, uint32_t codecs)
{
	*choice = (struct rf_pack_choice){ .codecs = codecs };
}

/* -- the link ---------------------------------------------------------------------------------- */

/* Without pauses, what has been acknowledged tells the rate, whatever bounds it: the network, or a
 * reader that is slow. */
static void measure(struct rf_pack_choice *choice, const struct rf_pack_link *link)
{
	const struct rf_pack_link *since = &choice->busy_since;
	int64_t ns = link->now_ns - since->now_ns;

	if (since->now_ns == 0) {
		choice->busy_since = *link;
		if (choice->rate == 0)
			choice->rate = link->delivery_rate;
	} else if (ns >= MEASURE_NS && link->acked_bytes > since->acked_bytes) {
		choice->rate = (link->acked_bytes - since->acked_bytes) * NS_PER_S / (uint64_t)ns;
		choice->busy_since = *link;
	}
}

/* A link that has waited for us is at least as fast as we are. */
static void rest(struct rf_pack_choice *choice, const struct rf_pack_link *link)
{
	choice->busy_since.now_ns = 0;
	if (choice->rate < link->delivery_rate)
		choice->rate = link->delivery_rate;
}

/* A window that has not grown yet doubles with each answer. */
static int64_t slow_start_ns(const struct rf_pack_link *link, uint64_t bytes)
{
	uint64_t window = link->window_bytes, sent = window, rounds = 1;

	for (; window && sent < bytes; sent += window, rounds++)
		window *= 2;
	return (int64_t)(rounds * link->round_trip_us * 1000);
}

static int64_t link_ns(const struct rf_pack_choice *choice, uint64_t bytes)
{
	if (choice->rate == 0)
		return slow_start_ns(&choice->link, bytes);
	return (int64_t)(bytes * NS_PER_S / choice->rate);
}

void rf_pack_choice_see(struct rf_pack_choice *choice, const struct rf_pack_link *link,
			size_t bytes)
{
	if (link->is_busy)
		measure(choice, link);
	else
		rest(choice, link);
	choice->link = *link;
	choice->allowance_ns += link_ns(choice, bytes) * ALLOWANCE_PERCENT / 100;
	if (choice->allowance_ns > ALLOWANCE_MOST_NS)
		choice->allowance_ns = ALLOWANCE_MOST_NS;
	for (unsigned codec = 0; codec <= RF_CODEC_LAST; codec++)
		choice->seen[codec].age++;
}

void rf_pack_choice_packed(struct rf_pack_choice *choice, const struct rf_pack_link *link)
{
	if (!link->is_busy)
		rest(choice, link);
}

/* -- the codecs -------------------------------------------------------------------------------- */

static uint64_t middle(uint64_t old, uint64_t new)
{
	return old / 2 + new / 2;
}

void rf_pack_choice_learn(struct rf_pack_choice *choice, enum rf_codec codec, size_t bytes,
			  size_t packed_bytes, int64_t ns)
{
	struct rf_pack_seen *seen = &choice->seen[codec];
	uint64_t ns_per_mib = (uint64_t)ns * MIB / bytes;
	uint64_t packed_per_mib = packed_bytes * MIB / bytes;
	bool is_fresh = !seen->is_known || seen->age > 1;

	seen->ns_per_mib = is_fresh ? ns_per_mib : middle(seen->ns_per_mib, ns_per_mib);
	seen->packed_per_mib = packed_per_mib;
	seen->is_known = true;
	seen->age = 0;
}

static int64_t packed_ns(const struct rf_pack_choice *choice, enum rf_codec codec, uint64_t bytes)
{
	const struct rf_pack_seen *seen = &choice->seen[codec];
	int64_t pack = (int64_t)(seen->ns_per_mib * bytes / MIB);
	int64_t link = link_ns(choice, seen->packed_per_mib * bytes / MIB);

	if (choice->rate == 0) /* nothing is under way that could hide it */
		return pack + link;
	return pack > link ? pack + link / 4 : link + pack / 4;
}

enum rf_codec rf_pack_choice_best(const struct rf_pack_choice *choice, size_t bytes)
{
	int64_t best_ns = link_ns(choice, bytes) * (100 - WORTH_PERCENT) / 100;
	enum rf_codec best = RF_CODEC_NONE, codec = RF_CODEC_NONE;

	while ((codec = next_codec(choice, codec)) != RF_CODEC_NONE) {
		if (!choice->seen[codec].is_known || packed_ns(choice, codec, bytes) >= best_ns)
			continue;
		best = codec;
		best_ns = packed_ns(choice, codec, bytes);
	}
	return best;
}

/* Whether packing could take longer than the link, if the data are others than the last ones. */
static bool is_risky(const struct rf_pack_choice *choice, size_t bytes)
{
	return link_ns(choice, bytes) < (int64_t)(SLOW_NS_PER_MIB * (uint64_t)bytes / MIB);
}

/* The first codec is the cheapest one: as long as none is in use, it has a look at each record. */
static bool is_wanted(const struct rf_pack_choice *choice, enum rf_codec codec, enum rf_codec best,
		      size_t bytes)
{
	enum rf_codec first = next_codec(choice, RF_CODEC_NONE);
	const struct rf_pack_seen *seen = &choice->seen[codec];

	if (seen->is_known && seen->age == 0)
		return false;
	if (codec == best)
		return is_risky(choice, bytes);
	if (codec == first)
		return best == RF_CODEC_NONE || seen->age >= OLD_RECORDS;
	/* it may find something where the first one does not: in numbers, for example */
	return !seen->is_known || seen->age >= OLD_RECORDS;
}

enum rf_codec rf_pack_choice_probe(struct rf_pack_choice *choice, size_t bytes)
{
	enum rf_codec best = rf_pack_choice_best(choice, bytes), codec = RF_CODEC_NONE;

	while ((codec = next_codec(choice, codec)) != RF_CODEC_NONE) {
		int64_t ns = codec == RF_CODEC_LZ4 ? LZ4_SAMPLE_NS : ZSTD_SAMPLE_NS;

		if ((codec != best && choice->allowance_ns < ns) ||
		    !is_wanted(choice, codec, best, bytes))
			continue;
		if (codec != best) /* else what is saved pays for it */
			choice->allowance_ns -= ns;
		return codec;
	}
	return RF_CODEC_NONE;
}
