/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/x86_64/xsave.c: areas made by hand in the layouts of both makers of
 * processors.  Whether the kernel takes what comes out is tested in test_signal_frame.c.
 */
#define _GNU_SOURCE
#include "rfork/arch.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/machine_facts.h"

#define AREA_BYTES 16384u
#define LIVE_OFFSET 512u
#define FEATURES_OFFSET 464u

#define AVX UINT64_C(0x7)
#define AVX512 UINT64_C(0xe7)
#define AVX512_PKRU UINT64_C(0x2e7)
#define AMX UINT64_C(0x602e7)

static unsigned char area[AREA_BYTES + 1], result[AREA_BYTES], back[AREA_BYTES];
static struct rf_xsave_layout packed, spread, layout;
static struct rf_report report;

static void store(size_t offset, uint64_t value)
{
	memcpy(area + offset, &value, sizeof(value));
}

static uint64_t load(const unsigned char *from, size_t offset)
{
	uint64_t value;

	memcpy(&value, from + offset, sizeof(value));
	return value;
}

/* Noise in everything that the layout has, all of it live. */
static void fill(const struct rf_xsave_layout *of)
{
	memset(area, 0, sizeof(area));
	for (size_t i = 0; i < 416; i++)
		area[i] = (unsigned char)(i * 7 + 1);
	memset(area + 24, 0, 8); /* MXCSR and its mask */
	for (unsigned component = 2; component < RF_XSAVE_COMPONENTS; component++)
		for (uint32_t i = 0; i < of->size[component]; i++)
			area[of->offset[component] + i] = (unsigned char)(component * 31 + i + 1);
	store(FEATURES_OFFSET, of->features);
	store(LIVE_OFFSET, of->features);
}

static void make(uint64_t features)
{
	ck_assert(rf_arch_xsave_known(&packed, features, true));
	ck_assert(rf_arch_xsave_known(&spread, features, false));
	memset(&report, 0, sizeof(report));
}

static void assert_refused(int got, int error, const char *words)
{
	ck_assert_int_eq(got, -error);
	ck_assert_int_eq(report.error, error);
	ck_assert_msg(strstr(report.sentence, words) != NULL, "%s", report.sentence);
	memset(&report, 0, sizeof(report));
}

/* -- layouts -------------------------------------------------------------------------------- */

START_TEST(known_layouts_are_those_of_processors)
{
	static const struct {
		uint64_t features;
		uint32_t packed, spread;
	} sizes[] = { { 3, 576, 576 },	      { AVX, 832, 832 },	   { 0x207, 840, 2696 },
		      { AVX512, 2432, 2688 }, { AVX512_PKRU, 2440, 2696 }, { AMX, 10696, 11008 } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make(sizes[i].features);
		ck_assert_uint_eq(packed.bytes, sizes[i].packed);
		ck_assert_uint_eq(spread.bytes, sizes[i].spread);
		ck_assert_uint_eq(packed.features, sizes[i].features);
	}
	make(AVX512);
	ck_assert_uint_eq(packed.offset[5], 832);
	ck_assert_uint_eq(packed.offset[6], 896);
	ck_assert_uint_eq(packed.offset[7], 1408);
	ck_assert_uint_eq(spread.offset[5], 1088);
	ck_assert_uint_eq(spread.offset[6], 1152);
	ck_assert_uint_eq(spread.offset[7], 1664);
	ck_assert(!rf_arch_xsave_known(&layout, AVX | UINT64_C(1) << 8, true));
	ck_assert(!rf_arch_xsave_known(&layout, AVX | UINT64_C(1) << 40, false));
}
END_TEST

START_TEST(layout_of_this_machine_is_one_of_them)
{
	struct rf_machine_facts facts;

	ck_assert_int_eq(rf_machine_facts_collect(&facts), 0);
	rf_arch_xsave_here(&layout, &facts);
	make(layout.features);
	ck_assert_uint_eq(layout.features, facts.xcr0);
	ck_assert(memcmp(&layout, &packed, sizeof(layout)) == 0 ||
		  memcmp(&layout, &spread, sizeof(layout)) == 0);
}
END_TEST

START_TEST(layouts_are_told_from_length_and_features)
{
	static const uint64_t features[] = { 3, AVX, 0x1f, 0x207, AVX512, AVX512_PKRU, AMX };

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		make(features[i]);
		fill(&packed);
		ck_assert_int_eq(rf_arch_xsave_guess(&layout, area, packed.bytes, &report), 0);
		ck_assert_mem_eq(layout.offset, packed.offset, sizeof(layout.offset));
		fill(&spread);
		ck_assert_int_eq(rf_arch_xsave_guess(&layout, area, spread.bytes, &report), 0);
		ck_assert_mem_eq(layout.offset, spread.offset, sizeof(layout.offset));
	}
}
END_TEST

START_TEST(area_may_end_before_what_is_not_live)
{
	make(AVX512_PKRU);
	fill(&spread);
	store(FEATURES_OFFSET, AMX);
	ck_assert_int_eq(rf_arch_xsave_guess(&layout, area, spread.bytes, &report), 0);
	ck_assert_uint_eq(layout.features, AVX512_PKRU);
	store(LIVE_OFFSET, AMX);
	assert_refused(rf_arch_xsave_guess(&layout, area, spread.bytes, &report), ENOTSUP,
		       "not known");
}
END_TEST

START_TEST(other_lengths_are_refused)
{
	make(AVX512);
	fill(&packed);
	for (uint32_t bytes = 576; bytes <= AREA_BYTES; bytes += 8)
		if (bytes != packed.bytes && bytes != spread.bytes)
			assert_refused(rf_arch_xsave_guess(&layout, area, bytes, &report), ENOTSUP,
				       "not known");
}
END_TEST

/* -- hostile areas -------------------------------------------------------------------------- */

START_TEST(impossible_lengths_are_refused)
{
	static const size_t lengths[] = { 0, 1, 463, 512, 575, AREA_BYTES + 1, SIZE_MAX };

	make(AVX);
	fill(&packed);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		/* so that the sanitizer sees what is read beyond */
		size_t bytes = lengths[i] < sizeof(area) ? lengths[i] : 0;
		unsigned char *copy = malloc(bytes + 1);

		memcpy(copy, area, bytes);
		assert_refused(rf_arch_xsave_guess(&layout, copy, lengths[i], &report), EBADMSG,
			       "bytes");
		free(copy);
	}
}
END_TEST

START_TEST(compacted_format_is_refused)
{
	make(AVX);
	fill(&packed);
	store(LIVE_OFFSET + 8, UINT64_C(1) << 63 | AVX);
	assert_refused(rf_arch_xsave_check(area, packed.bytes, &report), ENOTSUP, "compacted");
	assert_refused(rf_arch_xsave_guess(&layout, area, packed.bytes, &report), ENOTSUP,
		       "compacted");
}
END_TEST

START_TEST(headers_that_xrstor_refuses_are_refused)
{
	make(AVX);
	for (size_t offset = LIVE_OFFSET + 8; offset < 576; offset += 8) {
		fill(&packed);
		store(offset, 1);
		assert_refused(rf_arch_xsave_check(area, packed.bytes, &report), EBADMSG, "header");
	}
	fill(&packed);
	store(LIVE_OFFSET, AVX512); /* live, and not there */
	assert_refused(rf_arch_xsave_check(area, packed.bytes, &report), EBADMSG, "header");
	fill(&packed);
	area[26] = 1; /* MXCSR */
	assert_refused(rf_arch_xsave_check(area, packed.bytes, &report), EBADMSG, "header");
}
END_TEST

/* -- from one layout to another ------------------------------------------------------------- */

static void assert_equal_components(const struct rf_xsave_layout *to,
				    const struct rf_xsave_layout *from)
{
	ck_assert_mem_eq(result, area, FEATURES_OFFSET);
	for (unsigned i = 2; i < RF_XSAVE_COMPONENTS; i++)
		ck_assert_msg(memcmp(result + to->offset[i], area + from->offset[i], to->size[i]) ==
				      0,
			      "component %u", i);
	ck_assert_uint_eq(load(result, FEATURES_OFFSET), to->features);
	ck_assert_uint_eq(load(result, LIVE_OFFSET), load(area, LIVE_OFFSET) & to->features);
}

START_TEST(every_component_arrives_and_comes_back)
{
	static const uint64_t features[] = { AVX, AVX512, AVX512_PKRU, AMX };

	make(features[_i]);
	fill(&packed);
	memset(result, 0xcc, sizeof(result));
	ck_assert_int_eq(rf_arch_xsave_convert(result, &spread, area, &packed, &report), 0);
	assert_equal_components(&spread, &packed);
	ck_assert_uint_eq(result[spread.bytes], 0xcc);
	ck_assert_int_eq(rf_arch_xsave_convert(back, &packed, result, &spread, &report), 0);
	ck_assert_mem_eq(back, area, packed.bytes);
}
END_TEST

START_TEST(larger_machine_takes_a_smaller_area)
{
	struct rf_xsave_layout small;

	make(AVX512_PKRU);
	ck_assert(rf_arch_xsave_known(&small, AVX, true));
	fill(&small);
	ck_assert_int_eq(rf_arch_xsave_convert(result, &spread, area, &small, &report), 0);
	ck_assert_mem_eq(result + 576, area + 576, 256);
	ck_assert_uint_eq(load(result, LIVE_OFFSET), AVX);
	ck_assert_uint_eq(load(result, FEATURES_OFFSET), AVX512_PKRU);
}
END_TEST

START_TEST(component_in_use_that_is_lacking_is_named)
{
	static const char *const names[] = {
		[2] = "AVX state", [5] = "AVX-512 k", [6] = "ZMM upper", [7] = "ZMM 16 to 31"
	};
	struct rf_xsave_layout from;

	for (unsigned i = 2; i < 8; i++) {
		if (!names[i])
			continue;
		make(AVX512 & ~(UINT64_C(1) << i));
		ck_assert(rf_arch_xsave_known(&from, AVX512, true));
		fill(&from);
		assert_refused(rf_arch_xsave_convert(result, &spread, area, &from, &report),
			       ENOEXEC, names[i]);
		assert_refused(rf_arch_xsave_convert(NULL, &spread, area, &from, &report), ENOEXEC,
			       names[i]);
	}
}
END_TEST

START_TEST(component_that_nobody_uses_may_be_lacking)
{
	struct rf_xsave_layout small;

	make(AVX512_PKRU);
	ck_assert(rf_arch_xsave_known(&small, AVX, true));
	/* not live: whatever its bytes */
	fill(&packed);
	store(LIVE_OFFSET, AVX);
	ck_assert_int_eq(rf_arch_xsave_convert(result, &small, area, &packed, &report), 0);
	ck_assert_uint_eq(load(result, LIVE_OFFSET), AVX);
	/* live, with the initial value */
	fill(&packed);
	for (unsigned i = 5; i < RF_XSAVE_COMPONENTS; i++)
		memset(area + packed.offset[i], 0, packed.size[i]);
	memcpy(area + packed.offset[9], "\x54\x55\x55\x55", 4);
	ck_assert_int_eq(rf_arch_xsave_convert(result, &small, area, &packed, &report), 0);
	ck_assert_uint_eq(load(result, LIVE_OFFSET), AVX);
	/* a protection key that has been opened or closed */
	area[packed.offset[9]] = 0x50;
	assert_refused(rf_arch_xsave_convert(result, &small, area, &packed, &report), ENOEXEC,
		       "PKRU");
}
END_TEST

START_TEST(area_of_this_machine_is_taken_as_it_is)
{
	struct rf_machine_facts facts;

	ck_assert_int_eq(rf_machine_facts_collect(&facts), 0);
	rf_arch_xsave_here(&layout, &facts);
	fill(&layout);
	ck_assert_int_eq(rf_arch_xsave_fit(result, &facts, area, layout.bytes, &report), 0);
	ck_assert_mem_eq(result, area, layout.bytes);
	store(FEATURES_OFFSET, 0); /* as the instruction leaves it */
	ck_assert_int_eq(rf_arch_xsave_fit(result, &facts, area, layout.bytes, &report), 0);
	ck_assert_mem_eq(result, area, layout.bytes);
}
END_TEST

START_TEST(machine_without_xsave_takes_sse)
{
	const struct rf_machine_facts facts = { .xcr0 = 3, .xsave_bytes = 512 };

	make(AVX512);
	fill(&packed);
	assert_refused(rf_arch_xsave_fit(NULL, &facts, area, packed.bytes, &report), ENOEXEC,
		       "AVX");
	store(LIVE_OFFSET, 3);
	memset(result, 0xcc, sizeof(result));
	ck_assert_int_eq(rf_arch_xsave_fit(result, &facts, area, packed.bytes, &report), 0);
	ck_assert_mem_eq(result, area, FEATURES_OFFSET);
	ck_assert_uint_eq(result[576], 0xcc);
}
END_TEST

/* -- the table of a core -------------------------------------------------------------------- */

/* As Linux 6.18 wrote it on a processor by AMD: component, bytes, offset, flags. */
static const uint32_t amd_note[] = { 2, 0x100, 0x240, 0, 5, 0x40,  0x340, 0,
				     6, 0x200, 0x380, 0, 7, 0x400, 0x580, 0 };

START_TEST(note_describes_a_layout)
{
	make(AVX512);
	ck_assert_int_eq(rf_arch_xsave_table(&layout, amd_note, sizeof(amd_note), &report), 0);
	ck_assert_mem_eq(&layout, &packed, sizeof(layout));
}
END_TEST

START_TEST(impossible_notes_are_refused)
{
	static const struct {
		unsigned word;
		uint32_t value;
	} changes[] = { { 1, 0x101 }, { 1, 0 },		 { 2, 0 }, { 2, 575 },
			{ 2, 16384 }, { 2, UINT32_MAX }, { 4, 2 } };
	uint32_t note[sizeof(amd_note) / 4];

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		memcpy(note, amd_note, sizeof(note));
		note[changes[i].word] = changes[i].value;
		assert_refused(rf_arch_xsave_table(&layout, note, sizeof(note), &report), EBADMSG,
			       "possible place");
	}
	assert_refused(rf_arch_xsave_table(&layout, amd_note, sizeof(amd_note) - 4, &report),
		       EBADMSG, "cut off");
	/* components that nobody knows yet */
	memcpy(note, amd_note, sizeof(note));
	note[12] = 63;
	ck_assert_int_eq(rf_arch_xsave_table(&layout, note, sizeof(note), &report), 0);
	ck_assert_uint_eq(layout.features, AVX512 & ~UINT64_C(0x80));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("xsave");
	TCase *tcase = tcase_create("xsave");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, known_layouts_are_those_of_processors);
	tcase_add_test(tcase, layout_of_this_machine_is_one_of_them);
	tcase_add_test(tcase, layouts_are_told_from_length_and_features);
	tcase_add_test(tcase, area_may_end_before_what_is_not_live);
	tcase_add_test(tcase, other_lengths_are_refused);
	tcase_add_test(tcase, impossible_lengths_are_refused);
	tcase_add_test(tcase, compacted_format_is_refused);
	tcase_add_test(tcase, headers_that_xrstor_refuses_are_refused);
	tcase_add_loop_test(tcase, every_component_arrives_and_comes_back, 0, 4);
	tcase_add_test(tcase, larger_machine_takes_a_smaller_area);
	tcase_add_test(tcase, component_in_use_that_is_lacking_is_named);
	tcase_add_test(tcase, component_that_nobody_uses_may_be_lacking);
	tcase_add_test(tcase, area_of_this_machine_is_taken_as_it_is);
	tcase_add_test(tcase, machine_without_xsave_takes_sse);
	tcase_add_test(tcase, note_describes_a_layout);
	tcase_add_test(tcase, impossible_notes_are_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
