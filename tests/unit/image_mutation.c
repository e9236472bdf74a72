/* SPDX-License-Identifier: MIT */
/*
 * Mutations of images, for the fuzz tests of their readers: fields at which checks turn, fields
 * of other records, records that are moved, lengthened and cut.  Every digest is made anew
 * afterwards.
 */
#define _GNU_SOURCE
#include "tests/unit/image_mutation.h"

#include <stdlib.h>
#include <string.h>

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

uint64_t mutation_below(uint64_t limit)
{
	return draw() % limit;
}

/* Values at which checks turn. */
uint64_t mutation_value(void)
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
	uint64_t value = values[mutation_below(sizeof(values) / sizeof(values[0]))];

	switch (mutation_below(4)) {
	case 0:
		return value + mutation_below(3) - 1;
	case 1:
		return value + SAMPLE_PAGE * mutation_below(8);
	default:
		return value;
	}
}

/* Where a mutation goes: seldom into the pages' bytes, which mean nothing to the reader. */
static uint32_t draw_place(const struct sample_record *record, uint32_t alignment)
{
	uint32_t bytes = record->bytes;

	if (record->type == RF_RECORD_PAGES && bytes > 256 && mutation_below(50))
		bytes = 64;
	return (uint32_t)mutation_below(bytes) / alignment * alignment;
}

static void set_field(struct sample_record *record)
{
	uint32_t width = 1u << mutation_below(4);
	uint64_t value = mutation_value();
	uint32_t at;

	if (record->bytes < 8)
		return;
	at = draw_place(record, width);
	if (at + width > record->bytes)
		return;
	if (mutation_below(3) == 0) { /* a little more or less than it was */
		memcpy(&value, record->payload + at, width);
		value += mutation_below(2) ? SAMPLE_PAGE * (mutation_below(5) - 2)
					   : mutation_below(5) - 2;
	}
	memcpy(record->payload + at, &value, width);
}

/* Takes bytes from another place, such as one mapping's fields for another. */
static void copy_bytes(struct sample *sample, struct sample_record *record)
{
	const struct sample_record *other = &sample->records[mutation_below(sample->count)];
	uint32_t width = 8u << mutation_below(4);
	uint32_t from, to;

	if (other->bytes < width || record->bytes < width)
		return;
	from = (uint32_t)mutation_below(other->bytes - width + 1) & ~7u;
	to = (uint32_t)mutation_below(record->bytes - width + 1) & ~7u;
	memmove(record->payload + to, other->payload + from, width);
}

static void change_length(struct sample_record *record)
{
	static const uint32_t steps[] = { 1, 8, 16, 24, 32, 48, 64, SAMPLE_PAGE };
	uint32_t step = steps[mutation_below(sizeof(steps) / sizeof(steps[0]))];

	if (mutation_below(2))
		sample_resize(record, record->bytes + step);
	else if (record->bytes >= step)
		sample_resize(record, record->bytes - step);
}

static void move_records(struct sample *sample, unsigned index)
{
	struct sample_record record = sample->records[index];
	unsigned other = (unsigned)mutation_below(sample->count);

	switch (mutation_below(3)) {
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
	unsigned index = (unsigned)mutation_below(sample->count);
	struct sample_record *record = &sample->records[index];

	switch (mutation_below(16)) {
	case 0:
		move_records(sample, index);
		break;
	case 1:
		record->type = (uint16_t)mutation_below(RF_RECORD_LAST + 2);
		break;
	case 2:
		record->flags = (uint16_t)(mutation_below(4) ? RF_RECORD_OPTIONAL : draw());
		break;
	case 3:
		change_length(record);
		break;
	case 4:
		if (record->bytes)
			record->payload[draw_place(record, 1)] ^=
				(unsigned char)(1u << mutation_below(8));
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

void mutation_begin(uint64_t seed)
{
	state = seed;
}

void mutation_change(struct sample *sample)
{
	for (uint64_t left = 1 + mutation_below(MAX_MUTATIONS); left; left--)
		mutate(sample);
	if (mutation_below(2))
		count_again(sample);
}

uint64_t mutation_number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}
