/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/pack_choice.c, against a link and data that are simulated: what pays is
 * chosen, whatever the link, the data and their changes; and a transfer never becomes much slower
 * than without any packing.
 */
#include <check.h>
#include <stdlib.h>

#include "rfork/pack_choice.h"

#define MB 1000000.0
#define RECORD ((size_t)1 << 20)
#define QUEUE (2.0 * RECORD) /* what the kernel keeps of what was written */
#define COPY_RATE (5000 * MB)
#define ZSTD_START_NS 30000 /* what it takes to begin */

/* How a codec does with data: bytes a second, and packed bytes by the byte. */
struct way {
	double rate, ratio;
};

struct data {
	const char *name;
	struct way lz4, zstd;
};

static const struct data text = { "text", { 570 * MB, 0.42 }, { 450 * MB, 0.29 } };
static const struct data program = { "program", { 800 * MB, 0.60 }, { 540 * MB, 0.49 } };
static const struct data sparse = { "sparse", { 4000 * MB, 0.02 }, { 2500 * MB, 0.01 } };
static const struct data tough = { "tough", { 400 * MB, 0.92 }, { 250 * MB, 0.88 } };
/* in which LZ4 finds nothing */
static const struct data numbers = { "numbers", { 5000 * MB, 1 }, { 400 * MB, 0.6 } };
static const struct data noise = { "noise", { 20000 * MB, 1 }, { 8000 * MB, 1 } };
static const struct data *const all_data[] = { &text, &program, &sparse, &tough, &numbers, &noise };
#define KINDS (sizeof(all_data) / sizeof(all_data[0]))

/* By loop index, bytes a second. */
static const double rates[] = { 1 * MB,	  12 * MB,  50 * MB,   118 * MB,  200 * MB,
				350 * MB, 600 * MB, 1180 * MB, 2500 * MB, 10000 * MB };

struct transfer {
	struct rf_pack_choice choice;
	double rate, now_s, written, queued;
	uint32_t round_trip_us;
	unsigned packed[RF_CODEC_LAST + 1], records, probes; /* how often */
	enum rf_codec last;
};

static void begin(struct transfer *transfer, double rate, uint32_t round_trip_us, uint32_t codecs)
{
	*transfer = (struct transfer){ .rate = rate, .round_trip_us = round_trip_us, .now_s = 1 };
	rf_pack_choice_init(&transfer->choice, codecs);
}

static void pass(struct transfer *transfer, double seconds)
{
	double sent = seconds * transfer->rate;

	transfer->now_s += seconds;
	transfer->queued = sent > transfer->queued ? 0 : transfer->queued - sent;
}

/* As write(2), which waits until there is room. */
static void put(struct transfer *transfer, double bytes)
{
	double over = transfer->queued + bytes - QUEUE;

	pass(transfer, bytes / COPY_RATE);
	if (over > 0)
		pass(transfer, over / transfer->rate);
	transfer->queued += bytes;
	transfer->written += bytes;
}

static struct rf_pack_link look(const struct transfer *transfer)
{
	return (struct rf_pack_link){
		.now_ns = (int64_t)(transfer->now_s * 1e9),
		.acked_bytes = (uint64_t)(transfer->written - transfer->queued),
		.delivery_rate = transfer->records ? (uint64_t)transfer->rate : 0,
		.round_trip_us = transfer->round_trip_us,
		.window_bytes = 14480,
		.is_busy = transfer->queued > 1,
	};
}

static const struct way *way_of(const struct data *data, enum rf_codec codec)
{
	return codec == RF_CODEC_LZ4 ? &data->lz4 : &data->zstd;
}

/* Packs, in simulated time; how many bytes are left. */
static double pack(struct transfer *transfer, const struct data *data, enum rf_codec codec,
		   size_t bytes)
{
	const struct way *way = way_of(data, codec);
	double seconds =
		(double)bytes / way->rate + (codec == RF_CODEC_ZSTD ? ZSTD_START_NS * 1e-9 : 0);
	double left = (double)bytes * way->ratio;

	pass(transfer, seconds);
	rf_pack_choice_learn(&transfer->choice, codec, bytes, (size_t)left,
			     (int64_t)(seconds * 1e9));
	return left;
}

/* One record goes, as in packer.c. */
static void send(struct transfer *transfer, const struct data *data, size_t bytes)
{
	struct rf_pack_link link = look(transfer);
	double left = (double)bytes;
	enum rf_codec codec;
	size_t sample;

	rf_pack_choice_see(&transfer->choice, &link, bytes);
	while ((codec = rf_pack_choice_probe(&transfer->choice, bytes)) != RF_CODEC_NONE) {
		ck_assert_uint_ne(transfer->choice.codecs & RF_CODEC_BIT(codec), 0);
		ck_assert_uint_lt(transfer->probes, 2 * transfer->records + 2);
		transfer->probes++;
		sample = codec == RF_CODEC_LZ4 ? RF_PACK_LZ4_SAMPLE_BYTES
					       : RF_PACK_ZSTD_SAMPLE_BYTES;
		pack(transfer, data, codec, sample < bytes ? sample : bytes);
	}
	codec = rf_pack_choice_best(&transfer->choice, bytes);
	if (codec != RF_CODEC_NONE) {
		left = pack(transfer, data, codec, bytes);
		link = look(transfer);
		rf_pack_choice_packed(&transfer->choice, &link);
	}
	transfer->packed[codec]++;
	transfer->last = codec;
	transfer->records++;
	put(transfer, left);
}

static void send_records(struct transfer *transfer, const struct data *data, unsigned records)
{
	while (records--)
		send(transfer, data, RECORD);
}

/* Until the other machine has it all. */
static double end(struct transfer *transfer)
{
	pass(transfer, transfer->queued / transfer->rate);
	return transfer->now_s - 1;
}

static double time_of_none(double rate, unsigned records)
{
	struct transfer transfer;

	begin(&transfer, rate, 100, 0);
	send_records(&transfer, &noise, records);
	ck_assert_uint_eq(transfer.probes, 0);
	return end(&transfer);
}

#define BOTH (RF_CODEC_BIT(RF_CODEC_LZ4) | RF_CODEC_BIT(RF_CODEC_ZSTD))

START_TEST(no_transfer_becomes_much_slower)
{
	static const uint32_t codecs[] = { BOTH, RF_CODEC_BIT(RF_CODEC_LZ4),
					   RF_CODEC_BIT(RF_CODEC_ZSTD) };

	for (size_t kind = 0; kind < KINDS; kind++)
		for (size_t set = 0; set < 3; set++)
			for (unsigned records = 1; records <= 1024; records *= 4) {
				struct transfer transfer;
				double ours, none = time_of_none(rates[_i], records);

				begin(&transfer, rates[_i], 100, codecs[set]);
				send_records(&transfer, all_data[kind], records);
				ours = end(&transfer);
				ck_assert_msg(ours <= 1.05 * none,
					      "%u MiB of %s: %.1f ms instead of %.1f, codecs %x",
					      records, all_data[kind]->name, ours * 1e3, none * 1e3,
					      codecs[set]);
			}
}
END_TEST

START_TEST(alternating_data_do_not_make_it_slower)
{
	for (size_t one = 0; one < KINDS; one++)
		for (size_t other = 0; other < KINDS; other++) {
			struct transfer transfer;
			double ours, none = time_of_none(rates[_i], 256);

			begin(&transfer, rates[_i], 100, BOTH);
			for (unsigned i = 0; i < 256; i++)
				send(&transfer, all_data[i % 2 ? one : other], RECORD);
			ours = end(&transfer);
			ck_assert_msg(ours <= 1.05 * none, "%s and %s: %.1f ms instead of %.1f",
				      all_data[one]->name, all_data[other]->name, ours * 1e3,
				      none * 1e3);
		}
}
END_TEST

START_TEST(slow_links_get_packed_data)
{
	struct transfer transfer;

	begin(&transfer, 118 * MB, 100, BOTH);
	send_records(&transfer, &text, 100);
	/* after what the first records have taught */
	ck_assert_uint_lt(transfer.packed[RF_CODEC_NONE], 5);
	/* zstd keeps up, and leaves fewer bytes */
	ck_assert_uint_gt(transfer.packed[RF_CODEC_ZSTD], 85);
	ck_assert(end(&transfer) < 0.4 * time_of_none(118 * MB, 100));
}
END_TEST

START_TEST(zstd_is_tried_where_the_other_finds_nothing)
{
	struct transfer transfer;

	begin(&transfer, 50 * MB, 100, BOTH);
	send_records(&transfer, &numbers, 100);
	ck_assert_uint_gt(transfer.packed[RF_CODEC_ZSTD], 90);
}
END_TEST

START_TEST(faster_links_get_the_faster_codec)
{
	struct transfer transfer;

	begin(&transfer, 350 * MB, 100, BOTH);
	send_records(&transfer, &program, 100);
	ck_assert_int_eq(transfer.last, RF_CODEC_LZ4);
	ck_assert_uint_gt(transfer.packed[RF_CODEC_LZ4], 80);
}
END_TEST

START_TEST(fast_links_get_data_as_they_are)
{
	struct transfer transfer;

	begin(&transfer, 2500 * MB, 30, BOTH);
	send_records(&transfer, &text, 1000);
	ck_assert_uint_eq(transfer.packed[RF_CODEC_NONE], 1000);
	ck_assert_uint_lt(transfer.probes, 200);
}
END_TEST

START_TEST(noise_is_never_packed_for_long)
{
	struct transfer transfer;

	begin(&transfer, 12 * MB, 100, BOTH);
	send_records(&transfer, &noise, 100);
	ck_assert_uint_eq(transfer.packed[RF_CODEC_NONE], 100);
	/* but what comes behind it is */
	send_records(&transfer, &text, 10);
	ck_assert_uint_gt(transfer.packed[RF_CODEC_LZ4] + transfer.packed[RF_CODEC_ZSTD], 8);
}
END_TEST

START_TEST(links_may_change)
{
	struct transfer transfer;

	begin(&transfer, 2500 * MB, 100, BOTH);
	send_records(&transfer, &text, 50);
	ck_assert_int_eq(transfer.last, RF_CODEC_NONE);
	transfer.rate = 50 * MB;
	send_records(&transfer, &text, 50);
	ck_assert_int_ne(transfer.last, RF_CODEC_NONE);
	transfer.rate = 2500 * MB;
	send_records(&transfer, &text, 50);
	ck_assert_int_eq(transfer.last, RF_CODEC_NONE);
}
END_TEST

/* Nothing is ever in the way of packed data then; only pauses of the link tell. */
START_TEST(links_may_become_faster_little_by_little)
{
	struct transfer transfer;

	begin(&transfer, 100 * MB, 100, BOTH);
	for (; transfer.rate < 5000 * MB; transfer.rate *= 1.5)
		send_records(&transfer, &text, 40);
	ck_assert_int_eq(transfer.last, RF_CODEC_NONE);
}
END_TEST

START_TEST(pauses_do_not_make_a_link_slow)
{
	struct transfer transfer;

	begin(&transfer, 2500 * MB, 100, BOTH);
	for (unsigned i = 0; i < 100; i++) {
		send_records(&transfer, &text, i % 5);
		pass(&transfer, i % 3 * 0.01); /* the caller looks for pages */
	}
	ck_assert_uint_eq(transfer.packed[RF_CODEC_NONE], transfer.records);
}
END_TEST

/* Of which nothing is known but the round trip. */
START_TEST(small_images_are_packed_where_round_trips_are_long)
{
	static const struct {
		uint32_t round_trip_us;
		bool is_packed;
	} links[] = { { 0, false },    { 30, false },	{ 100, false },
		      { 10000, true }, { 50000, true }, { 200000, true } };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct transfer transfer;

		begin(&transfer, 100 * MB, links[i].round_trip_us, BOTH);
		send(&transfer, &text, 100000);
		ck_assert_msg((transfer.last != RF_CODEC_NONE) == links[i].is_packed,
			      "%u us, codec %d", links[i].round_trip_us, transfer.last);
	}
}
END_TEST

START_TEST(codecs_that_nobody_has_are_not_chosen)
{
	struct transfer transfer;

	begin(&transfer, 1 * MB, 100, 0);
	send_records(&transfer, &text, 10);
	ck_assert_uint_eq(transfer.packed[RF_CODEC_NONE], 10);
	begin(&transfer, 1 * MB, 100, RF_CODEC_BIT(RF_CODEC_ZSTD));
	send_records(&transfer, &text, 10);
	ck_assert_int_eq(transfer.last, RF_CODEC_ZSTD);
	begin(&transfer, 1 * MB, 100, RF_CODEC_BIT(RF_CODEC_LZ4));
	send_records(&transfer, &text, 10);
	ck_assert_int_eq(transfer.last, RF_CODEC_LZ4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pack choice");
	TCase *tcase = tcase_create("pack choice");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, no_transfer_becomes_much_slower, 0, 10);
	tcase_add_loop_test(tcase, alternating_data_do_not_make_it_slower, 0, 10);
	tcase_add_test(tcase, slow_links_get_packed_data);
	tcase_add_test(tcase, zstd_is_tried_where_the_other_finds_nothing);
	tcase_add_test(tcase, faster_links_get_the_faster_codec);
	tcase_add_test(tcase, fast_links_get_data_as_they_are);
	tcase_add_test(tcase, noise_is_never_packed_for_long);
	tcase_add_test(tcase, links_may_change);
	tcase_add_test(tcase, links_may_become_faster_little_by_little);
	tcase_add_test(tcase, pauses_do_not_make_a_link_slow);
	tcase_add_test(tcase, small_images_are_packed_where_round_trips_are_long);
	tcase_add_test(tcase, codecs_that_nobody_has_are_not_chosen);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
