/* SPDX-License-Identifier: MIT */
/*
 * Mutations of a good image against rfork/image_reader.c: whatever comes, the reader answers with
 * a refusal, or what it accepts keeps to the rules of the format (image_sample.c).  The same
 * rounds in every run of make check; make check-long takes many more, from a new seed.
 * RFORK_TEST_SEED and RFORK_FUZZ_ROUNDS choose others.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/image_mutation.h"
#include "tests/unit/image_packed.h"
#include "tests/unit/image_reading.h"

#define ROUNDS 20000

struct tally {
	uint64_t accepted, layouts;
};

/* One image has pages that take another road, two have packed ones; where nobody has agreed on it,
 * that is refused.  One has contents of files, and so have those, packed. */
enum { PLAIN, WITH_ROAD, BY_LZ4, BY_ZSTD, WITH_CONTENTS, GOOD };
static struct sample good[GOOD];

static bool run_round(struct tally *tally)
{
	static struct sample_reading reading;
	struct sample sample;
	unsigned char *stream;
	const char *fault;
	size_t bytes;
	int answer;

	sample_has_road = mutation_below(8) != 0;
	packed_agree(mutation_below(8) ? UINT32_MAX : 0);
	sample_copy(&sample, &good[mutation_below(GOOD)]);
	mutation_change(&sample);
	stream = sample_encode(&sample, &bytes);
	if (mutation_below(16) == 0) /* damage on the way: digests are wrong */
		stream[mutation_below(bytes)] ^= (unsigned char)(1 + mutation_below(255));
	if (mutation_below(16) == 0)
		bytes = mutation_below(bytes);
	answer = sample_read(&reading, stream, bytes, &fault);
	free(stream);
	sample_free(&sample);
	tally->accepted += answer == 0;
	tally->layouts += reading.is_layout_read;
	if (!fault && answer && !sample_is_refusal(answer))
		fault = "this is no answer to hostile bytes";
	if (fault)
		fprintf(stderr, "answer %d (%s): %s\n", answer, reading.report.sentence, fault);
	return !fault;
}

int main(void)
{
	uint64_t seed = mutation_number("RFORK_TEST_SEED", 1);
	uint64_t rounds = mutation_number("RFORK_FUZZ_ROUNDS", ROUNDS);
	struct tally tally = { 0 };

	printf("RFORK_TEST_SEED=%" PRIu64 " RFORK_FUZZ_ROUNDS=%" PRIu64 "\n", seed, rounds);
	fflush(stdout);
	for (unsigned i = 0; i < GOOD; i++)
		sample_make(&good[i]);
	sample_add_road(&good[WITH_ROAD]);
	sample_add_contents(&good[WITH_CONTENTS]);
	packed_pack(&good[BY_LZ4], RF_CODEC_LZ4);
	packed_pack(&good[BY_ZSTD], RF_CODEC_ZSTD);
	sample_add_contents(&good[BY_LZ4]);
	sample_add_contents(&good[BY_ZSTD]);
	packed_pack_content(&good[BY_LZ4], RF_CODEC_LZ4);
	packed_pack_content(&good[BY_ZSTD], RF_CODEC_ZSTD);
	for (uint64_t round = 0; round < rounds; round++) {
		/* Each round by itself can be had again. */
		mutation_begin(seed + round);
		if (!run_round(&tally)) {
			fprintf(stderr, "again: RFORK_TEST_SEED=%" PRIu64 " RFORK_FUZZ_ROUNDS=1\n",
				seed + round);
			return EXIT_FAILURE;
		}
	}
	for (unsigned i = 0; i < GOOD; i++)
		sample_free(&good[i]);
	printf("%" PRIu64 " images had a layout, %" PRIu64 " were accepted\n", tally.layouts,
	       tally.accepted);
	/* Mutations that are all refused at once would show nothing. */
	return tally.layouts > rounds / 50 || rounds < 1000 ? EXIT_SUCCESS : EXIT_FAILURE;
}
