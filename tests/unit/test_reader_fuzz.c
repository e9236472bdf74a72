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

#include "tests/unit/image_sample.h"

#define ROUNDS 20000
#define MAX_MUTATIONS 5

static uint64_t state;

/* splitmix64 */
static uint64_t draw(void)
{
	uint64_t mixed = state += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ mixed >> 31;
}

static uint64_t below(uint64_t limit)
{
	return draw() % limit;
}

/* Values at which checks turn. */
static uint64_t draw_value(void)
{
	static const uint64_t values[] = {
		0,
		1,
		2,
		3,
		8,
		63,
		256,
		257,
		512,
		4095,
		4096,
		0x10000,
		65536,
		65537,
		262144,
		262145,
		1048576,
		1114112,
		INT32_MAX,
		UINT32_MAX,
		UINT32_MAX - 4095,
		SAMPLE_MIN_ADDRESS - SAMPLE_PAGE,
		SAMPLE_MAX_ADDRESS,
		SAMPLE_MAX_ADDRESS - SAMPLE_PAGE,
		INT64_MAX,
		INT64_MAX - 4095,
		UINT64_MAX,
		UINT64_MAX - 4095,
		0x555555554000,
		0x555555558000,
		0x7ffff7fc0000,
		0x7ffffffde000,
	};
	uint64_t value = values[below(sizeof(values) / sizeof(values[0]))];

	switch (below(4)) {
	case 0:
		return value + below(3) - 1;
	case 1:
		return value + SAMPLE_PAGE * below(8);
	default:
		return value;
	}
}

/* Where a mutation goes: seldom into the pages' bytes, which mean nothing to the reader. */
static uint32_t draw_place(const struct sample_record *record, uint32_t alignment)
{
	uint32_t bytes = record->bytes;

	if (record->type == RF_RECORD_PAGES && bytes > 256 && below(50))
		bytes = 64;
	return (uint32_t)below(bytes) / alignment * alignment;
}

static void set_field(struct sample_record *record)
{
	uint32_t width = 1u << below(4);
	uint64_t value = draw_value();
	uint32_t at;

	if (record->bytes < 8)
		return;
	at = draw_place(record, width);
	if (at + width > record->bytes)
		return;
	if (below(3) == 0) { /* a little more or less than it was */
		memcpy(&value, record->payload + at, width);
		value += below(2) ? SAMPLE_PAGE * (below(5) - 2) : below(5) - 2;
	}
	memcpy(record->payload + at, &value, width);
}

/* Takes bytes from another place, such as one mapping's fields for another. */
static void copy_bytes(struct sample *sample, struct sample_record *record)
{
	const struct sample_record *other = &sample->records[below(sample->count)];
	uint32_t width = 8u << below(4);
	uint32_t from, to;

	if (other->bytes < width || record->bytes < width)
		return;
	from = (uint32_t)below(other->bytes - width + 1) & ~7u;
	to = (uint32_t)below(record->bytes - width + 1) & ~7u;
	memmove(record->payload + to, other->payload + from, width);
}

static void change_length(struct sample_record *record)
{
	static const uint32_t steps[] = { 1, 8, 16, 24, 32, 48, 64, SAMPLE_PAGE };
	uint32_t step = steps[below(sizeof(steps) / sizeof(steps[0]))];

	if (below(2))
		sample_resize(record, record->bytes + step);
	else if (record->bytes >= step)
		sample_resize(record, record->bytes - step);
}

static void move_records(struct sample *sample, unsigned index)
{
	struct sample_record record = sample->records[index];
	unsigned other = (unsigned)below(sample->count);

	switch (below(3)) {
	case 0:
		sample->records[index] = sample->records[other];
		sample->records[other] = record;
		break;
	case 1:
		if (sample->count < SAMPLE_RECORDS)
			sample_insert(sample, other, record.type, record.flags, record.payload,
				      record.bytes);
		break;
	default:
		if (sample->count > 1)
			sample_remove(sample, index);
	}
}

static void mutate(struct sample *sample)
{
	unsigned index = (unsigned)below(sample->count);
	struct sample_record *record = &sample->records[index];

	switch (below(16)) {
	case 0:
		move_records(sample, index);
		break;
	case 1:
		record->type = (uint16_t)below(RF_RECORD_LAST + 2);
		break;
	case 2:
		record->flags = (uint16_t)(below(4) ? RF_RECORD_OPTIONAL : draw());
		break;
	case 3:
		change_length(record);
		break;
	case 4:
		if (record->bytes)
			record->payload[draw_place(record, 1)] ^= (unsigned char)(1u << below(8));
		break;
	case 5:
	case 6:
		copy_bytes(sample, record);
		break;
	default:
		set_field(record);
	}
}

/* END that counts rightly lets more through. */
static void count_again(struct sample *sample)
{
	const struct sample_record *last = &sample->records[sample->count - 1];

	if (last->type == RF_RECORD_END && last->bytes == sizeof(struct rf_image_end))
		memcpy(last->payload, &(uint64_t){ sample->count }, sizeof(uint64_t));
}

struct tally {
	uint64_t accepted, layouts;
};

static bool run_round(const struct sample *good, struct tally *tally)
{
	static struct sample_reading reading;
	struct sample sample;
	unsigned char *stream;
	const char *fault;
	size_t bytes;
	int answer;

	sample_copy(&sample, good);
	for (uint64_t left = 1 + below(MAX_MUTATIONS); left; left--)
		mutate(&sample);
	if (below(2))
		count_again(&sample);
	stream = sample_encode(&sample, &bytes);
	if (below(16) == 0) /* damage on the way: digests are wrong */
		stream[below(bytes)] ^= (unsigned char)(1 + below(255));
	if (below(16) == 0)
		bytes = below(bytes);
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

static uint64_t read_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int main(void)
{
	uint64_t seed = read_number("RFORK_TEST_SEED", 1);
	uint64_t rounds = read_number("RFORK_FUZZ_ROUNDS", ROUNDS);
	struct tally tally = { 0 };
	struct sample good;

	printf("RFORK_TEST_SEED=%" PRIu64 " RFORK_FUZZ_ROUNDS=%" PRIu64 "\n", seed, rounds);
	fflush(stdout);
	sample_make(&good);
	for (uint64_t round = 0; round < rounds; round++) {
		/* Each round by itself can be had again. */
		state = seed + round;
		if (!run_round(&good, &tally)) {
			fprintf(stderr, "again: RFORK_TEST_SEED=%" PRIu64 " RFORK_FUZZ_ROUNDS=1\n",
				seed + round);
			return EXIT_FAILURE;
		}
	}
	sample_free(&good);
	printf("%" PRIu64 " images had a layout, %" PRIu64 " were accepted\n", tally.layouts,
	       tally.accepted);
	/* Mutations that are all refused at once would show nothing. */
	return tally.layouts > rounds / 50 || rounds < 1000 ? EXIT_SUCCESS : EXIT_FAILURE;
}
