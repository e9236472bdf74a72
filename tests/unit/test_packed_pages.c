/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/packer.c, rfork/unpacker.c and what image_pages.c does with packed pages:
 * they come back, into whatever places, and whatever hostile bytes do not unpack to exactly their
 * places is refused without a byte written beside these.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/packer.h"
#include "rfork/unpacker.h"
#include "tests/unit/image_changes.h"
#include "tests/unit/image_packed.h"

#define PAGE SAMPLE_PAGE
#define RECORD_PAGES RF_PAGES_MAX_DATA_PAGES
#define RECORD_BYTES ((size_t)RECORD_PAGES * PAGE)

/* By loop index. */
static const enum rf_codec codecs[] = { RF_CODEC_LZ4, RF_CODEC_ZSTD };
static const unsigned compressions[] = { RFORK_COMPRESS_LZ4, RFORK_COMPRESS_ZSTD };

static void set_up(void)
{
	sample_make(&sample);
	packed_agree(UINT32_MAX);
}

static void expect_refusal(const char *what)
{
	ck_assert_msg(read_sample() == -EBADMSG, "%s was accepted", what);
}

static void fill_noise(unsigned char *memory, size_t bytes)
{
	uint64_t state = 1;

	for (size_t i = 0; i < bytes; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		memory[i] = (unsigned char)(state >> 56);
	}
}

/* -- the reader -------------------------------------------------------------------------------- */

START_TEST(packed_pages_are_placed)
{
	packed_pack(&sample, codecs[_i]);
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
	ck_assert_mem_eq(reading.pages[SAMPLE_HEAP], packed_data, PAGE);
	ck_assert_mem_eq(reading.pages[SAMPLE_STACK], packed_data + 2 * PAGE, PAGE);
}
END_TEST

START_TEST(codec_must_be_agreed_on)
{
	packed_pack(&sample, codecs[_i]);
	packed_agree(0);
	expect_refusal("what nobody can unpack");
	packed_agree(RF_CODEC_BIT(codecs[1 - _i]));
	expect_refusal("another codec");
	packed_agree(RF_CODEC_BIT(codecs[_i]));
	ck_assert_int_eq(read_sample(), 0);
	((struct rf_image_pages *)sample_payload(&sample, RF_RECORD_PAGES, 0))->codec =
		codecs[1 - _i];
	packed_agree(UINT32_MAX);
	expect_refusal("one codec's bytes for another's");
	((struct rf_image_pages *)sample_payload(&sample, RF_RECORD_PAGES, 0))->codec =
		RF_CODEC_LAST + 1;
	expect_refusal("a codec that does not exist");
}
END_TEST

START_TEST(other_lengths_are_refused)
{
	struct sample_record *record = sample_find(&sample, RF_RECORD_PAGES, 0);
	static unsigned char noise[PACKED_DATA_BYTES], packed[3 * PACKED_DATA_BYTES];
	uint32_t bytes;

	packed_pack(&sample, codecs[_i]);
	bytes = record->bytes;
	for (uint32_t cut = 1; cut < bytes - 56; cut++) {
		sample_resize(record, bytes - cut);
		expect_refusal("a cut record");
	}
	packed_pack(&sample, codecs[_i]);
	sample_resize(record, bytes + 1);
	expect_refusal("a byte more");
	/* what is not smaller is not packed */
	fill_noise(noise, sizeof(noise));
	packed_replace(&sample, codecs[_i], packed,
		       packed_bytes(codecs[_i], packed, noise, sizeof(noise)));
	expect_refusal("as many bytes as unpacked");
	packed_replace(&sample, codecs[_i], packed_data, 0);
	expect_refusal("nothing");
}
END_TEST

START_TEST(other_amounts_of_data_are_refused)
{
	static unsigned char data[RECORD_BYTES + PAGE], packed[2 * RECORD_BYTES + 4 * PAGE];
	static const size_t amounts[] = {
		1,	  PAGE,	      PACKED_DATA_BYTES - 1, PACKED_DATA_BYTES + 1,
		4 * PAGE, 100 * PAGE, RECORD_BYTES,	     RECORD_BYTES + PAGE
	};

	for (size_t i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		packed_replace(&sample, codecs[_i], packed,
			       packed_bytes(codecs[_i], packed, data, amounts[i]));
		expect_refusal("another amount of data");
	}
}
END_TEST

START_TEST(every_flipped_byte_is_noticed)
{
	size_t bytes, end;
	unsigned char *stream;

	packed_pack(&sample, codecs[_i]);
	stream = sample_encode(&sample, &bytes);
	end = bytes - sizeof(struct rf_record_header) - sizeof(struct rf_image_end);
	for (size_t at = end - sample_find(&sample, RF_RECORD_PAGES, 0)->bytes; at < end; at++) {
		stream[at] ^= 1;
		ck_assert_int_eq(read_stream(stream, bytes), -EBADMSG);
		stream[at] ^= 1;
	}
	ck_assert_int_eq(read_stream(stream, bytes), 0);
	free(stream);
}
END_TEST

/* libzstd takes several frames for one, skips some, and knows older formats. */
START_TEST(only_one_frame_is_unpacked)
{
	static const unsigned char skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4 };
	static unsigned char packed[8 * PAGE];
	size_t half = PACKED_DATA_BYTES / 2, bytes;

	packed_pack(&sample, RF_CODEC_ZSTD);
	bytes = packed_bytes(RF_CODEC_ZSTD, packed, packed_data, half);
	bytes += packed_bytes(RF_CODEC_ZSTD, packed + bytes, packed_data + half, half);
	packed_replace(&sample, RF_CODEC_ZSTD, packed, bytes);
	expect_refusal("two frames");
	memcpy(packed, skippable, sizeof(skippable));
	bytes = sizeof(skippable) + packed_bytes(RF_CODEC_ZSTD, packed + sizeof(skippable),
						 packed_data, sizeof(packed_data));
	packed_replace(&sample, RF_CODEC_ZSTD, packed, bytes);
	expect_refusal("a skippable frame before");
	for (unsigned char version = 0x22; version <= 0x27; version++) {
		bytes = packed_bytes(RF_CODEC_ZSTD, packed, packed_data, sizeof(packed_data));
		packed[0] = version;
		packed_replace(&sample, RF_CODEC_ZSTD, packed, bytes);
		expect_refusal("an older format");
	}
}
END_TEST

/* -- bytes of files ---------------------------------------------------------------------------- */

static struct rf_image_content *pack_content(enum rf_codec codec)
{
	packed_pack_content(&sample, codec);
	return sample_payload(&sample, RF_RECORD_CONTENT, 0);
}

START_TEST(packed_contents_are_put)
{
	sample_add_contents(&sample);
	pack_content(codecs[_i]);
	ck_assert_msg(read_sample() == 0, "%s", reading.report.sentence);
	ck_assert_uint_eq(reading.content_offset, 5);
	ck_assert_uint_eq(reading.content_bytes, PACKED_CONTENT_BYTES);
	ck_assert_mem_eq(reading.content, packed_data, sizeof(reading.content));
}
END_TEST

START_TEST(hostile_packed_contents_are_refused)
{
	static unsigned char noise[PACKED_CONTENT_BYTES];
	static unsigned char packed[3 * PACKED_CONTENT_BYTES + PAGE];
	struct sample_record *record;

	sample_add_contents(&sample);
	pack_content(codecs[_i])->bytes++;
	expect_refusal("fewer bytes than it says");
	pack_content(codecs[_i])->bytes--;
	expect_refusal("more bytes than it says");
	pack_content(codecs[_i])->bytes = RF_CONTENT_MAX_BYTES + 1;
	expect_refusal("more bytes than a record may have");
	pack_content(codecs[_i])->codec = codecs[1 - _i];
	expect_refusal("one codec's bytes for another's");
	pack_content(codecs[_i])->offset = SAMPLE_CONTENT_BYTES - PACKED_CONTENT_BYTES + 1;
	expect_refusal("bytes behind the file's end");
	pack_content(codecs[_i]);
	packed_agree(RF_CODEC_BIT(codecs[1 - _i]));
	expect_refusal("a codec that nobody has agreed on");
	packed_agree(UINT32_MAX);
	record = sample_find(&sample, RF_RECORD_CONTENT, 0);
	for (uint32_t left = record->bytes; left > sizeof(struct rf_image_content);) {
		sample_resize(record, --left);
		expect_refusal("a cut record");
	}
	fill_noise(noise, sizeof(noise));
	packed_replace_content(&sample, codecs[_i], packed,
			       packed_bytes(codecs[_i], packed, noise, sizeof(noise)));
	expect_refusal("as many bytes as unpacked");
}
END_TEST

/* -- packer and unpacker ----------------------------------------------------------------------- */

static void *map(size_t bytes)
{
	void *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	return memory;
}

/* Memory with an inaccessible page before and behind it. */
static unsigned char *map_fenced(size_t bytes)
{
	unsigned char *memory = map(bytes + 2 * PAGE);

	ck_assert_int_eq(mprotect(memory, PAGE, PROT_NONE), 0);
	ck_assert_int_eq(mprotect(memory + PAGE + bytes, PAGE, PROT_NONE), 0);
	return memory + PAGE;
}

static void fill_text(unsigned char *memory, size_t bytes)
{
	uint64_t state = 1;

	for (size_t i = 0; i < bytes; i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		memory[i] = (unsigned char)('a' + (state >> 62) + i / 64 % 7);
	}
}

static struct rf_packer packer;
static struct rf_unpacker unpacker;

static void begin(unsigned compression)
{
	static struct rf_image_writer writer;

	ck_assert_int_eq(rf_packer_begin(&packer, compression, UINT32_MAX, &writer), 0);
	ck_assert_ptr_eq(writer.packer, &packer.face);
	rf_unpacker_init(&unpacker, UINT32_MAX);
}

/* A record whose data are `count` pieces of so many pages each, with `gap` pages between. */
static struct rf_image_carried record_of(struct iovec *data, unsigned char *memory, int count,
					 size_t pages, size_t gap)
{
	for (int i = 0; i < count; i++)
		data[i] = (struct iovec){ memory + (size_t)i * (pages + gap) * PAGE, pages * PAGE };
	return (struct rf_image_carried){ .data = data,
					  .data_count = count,
					  .data_bytes = (size_t)count * pages * PAGE };
}

static void expect_return(int index, int count, size_t pages, size_t gap, bool is_of_file)
{
	size_t bytes = ((size_t)count * (pages + gap) - gap) * PAGE;
	unsigned char *from = map(bytes), *to = map_fenced(bytes);
	struct iovec source[RECORD_PAGES], target[RECORD_PAGES], packed;
	struct rf_image_carried record = record_of(source, from, count, pages, gap);

	record_of(target, to, count, pages, gap);
	fill_text(from, bytes);
	ck_assert_int_eq(packer.face.pack(packer.face.context, &record, &packed), codecs[index]);
	ck_assert_uint_lt(packed.iov_len, record.data_bytes);
	ck_assert_int_eq(unpacker.face.unpack(unpacker.face.context, codecs[index], &packed, target,
					      (uint32_t)count, is_of_file),
			 0);
	for (size_t page = 0; page < bytes / PAGE; page++) {
		bool is_gap = page % (pages + gap) >= pages;

		for (size_t i = 0; i < PAGE; i++)
			ck_assert_uint_eq(to[page * PAGE + i], is_gap ? 0 : from[page * PAGE + i]);
	}
	munmap(from, bytes);
	munmap(to - PAGE, bytes + 2 * PAGE);
}

START_TEST(packed_pages_come_back)
{
	begin(compressions[_i]);
	for (int is_of_file = 0; is_of_file < 2; is_of_file++) {
		expect_return(_i, 1, 1, 0, is_of_file);
		expect_return(_i, 1, RECORD_PAGES, 0, is_of_file);
		expect_return(_i, RECORD_PAGES, 1, 1, is_of_file);
		expect_return(_i, 7, 3, 2, is_of_file);
	}
	rf_packer_end(&packer);
}
END_TEST

/* Where a store would be answered by SIGBUS. */
START_TEST(places_behind_the_end_of_a_file_are_an_error)
{
	unsigned char *from = map(3 * PAGE), *to;
	struct iovec source[3], target[3], packed;
	struct rf_image_carried record = record_of(source, from, 3, 1, 0);
	int fd = memfd_create("short", MFD_CLOEXEC);

	ck_assert_int_eq(ftruncate(fd, 2 * PAGE), 0);
	to = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ck_assert_ptr_ne(to, MAP_FAILED);
	record_of(target, to, 3, 1, 0);
	begin(compressions[_i]);
	fill_text(from, 3 * PAGE);
	ck_assert_int_eq(packer.face.pack(packer.face.context, &record, &packed), codecs[_i]);
	ck_assert_int_eq(unpacker.face.unpack(unpacker.face.context, codecs[_i], &packed, target, 3,
					      true),
			 -EFAULT);
	rf_packer_end(&packer);
	munmap(to, 3 * PAGE);
	close(fd);
}
END_TEST

START_TEST(what_does_not_get_smaller_is_not_packed)
{
	unsigned char *memory = map(RECORD_BYTES);
	struct iovec data, packed;
	struct rf_image_carried record = record_of(&data, memory, 1, RECORD_PAGES, 0);

	begin(compressions[_i]);
	fill_noise(memory, RECORD_BYTES);
	ck_assert_int_eq(packer.face.pack(packer.face.context, &record, &packed), RF_CODEC_NONE);
	/* nor what gets only a little smaller */
	memset(memory, 1, RECORD_BYTES / 32);
	ck_assert_int_eq(packer.face.pack(packer.face.context, &record, &packed), RF_CODEC_NONE);
	memset(memory, 1, RECORD_BYTES / 8);
	ck_assert_int_eq(packer.face.pack(packer.face.context, &record, &packed), codecs[_i]);
	rf_packer_end(&packer);
	ck_assert_ptr_null(packer.memory);
}
END_TEST

START_TEST(nothing_is_packed_unasked)
{
	struct rf_image_writer writer = { .fd = -1 };

	packer = (struct rf_packer){ 0 };
	ck_assert_int_eq(rf_packer_begin(&packer, RFORK_COMPRESS_NONE, UINT32_MAX, &writer), 0);
	ck_assert_ptr_null(writer.packer);
	ck_assert_ptr_null(packer.memory);
	rf_packer_end(&packer);
}
END_TEST

/* Bytes changed at random behind good digests: the fences would end the test. */
START_TEST(damaged_data_stay_within_their_place)
{
	enum { PAGES = 16, ROUNDS = 4000 };
	unsigned char *from = map(PAGES * PAGE), *to = map_fenced(PAGES * PAGE), *hurt;
	struct iovec data, target = { to, PAGES * PAGE }, packed;
	struct rf_image_carried record = record_of(&data, from, 1, PAGES, 0);
	unsigned refused = 0;

	begin(compressions[_i]);
	fill_text(from, PAGES * PAGE);
	packer.face.pack(packer.face.context, &record, &packed);
	/* at the end of what can be read */
	hurt = map_fenced(PAGES * PAGE) + PAGES * PAGE - packed.iov_len;
	srandom(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct iovec damaged = { hurt, packed.iov_len };
		int answer;

		memcpy(hurt, packed.iov_base, packed.iov_len);
		for (unsigned i = 0; i <= round % 8; i++)
			hurt[(size_t)random() % packed.iov_len >> i % 3 * 4] =
				(unsigned char)random();
		answer = unpacker.face.unpack(unpacker.face.context, codecs[_i], &damaged, &target,
					      1, round % 2);
		ck_assert(answer == 0 || answer == -EBADMSG);
		refused += answer != 0;
	}
	ck_assert_uint_gt(refused, ROUNDS / 10);
	rf_packer_end(&packer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("packed pages");
	TCase *tcase = tcase_create("packed pages");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 60); /* with sanitizers */
	tcase_add_loop_test(tcase, packed_pages_are_placed, 0, 2);
	tcase_add_loop_test(tcase, codec_must_be_agreed_on, 0, 2);
	tcase_add_loop_test(tcase, other_lengths_are_refused, 0, 2);
	tcase_add_loop_test(tcase, other_amounts_of_data_are_refused, 0, 2);
	tcase_add_loop_test(tcase, every_flipped_byte_is_noticed, 0, 2);
	tcase_add_test(tcase, only_one_frame_is_unpacked);
	tcase_add_loop_test(tcase, packed_contents_are_put, 0, 2);
	tcase_add_loop_test(tcase, hostile_packed_contents_are_refused, 0, 2);
	tcase_add_loop_test(tcase, packed_pages_come_back, 0, 2);
	tcase_add_loop_test(tcase, places_behind_the_end_of_a_file_are_an_error, 0, 2);
	tcase_add_loop_test(tcase, what_does_not_get_smaller_is_not_packed, 0, 2);
	tcase_add_test(tcase, nothing_is_packed_unasked);
	tcase_add_loop_test(tcase, damaged_data_stay_within_their_place, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
