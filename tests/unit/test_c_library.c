/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/x86_64/c_library.c: which features a process may use whose C library has been
 * told to do without some.  The libraries are made up; that of this process is asked once.
 */
#define _GNU_SOURCE
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/x86_64/features.h"

#define COMPONENT_AVX (UINT64_C(1) << 2)
#define COMPONENTS_AVX512 (UINT64_C(7) << 5)

static struct rf_machine_facts facts;
static struct rf_arch_c_library library;

/* A CPU with all features that have a name, and a C library that uses them all. */
static void set_up(void)
{
	memset(&facts, 0, sizeof(facts));
	memset(&library, 0, sizeof(library));
	facts.cpu_words = RF_FEATURE_WORDS;
	facts.xcr0 = 3 | COMPONENT_AVX | COMPONENTS_AVX512;
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++)
		facts.cpu[word] = rf_feature_bits(word, UINT32_MAX, "*");
	memcpy(library.present, facts.cpu, sizeof(library.present));
	memcpy(library.active, facts.cpu, sizeof(library.active));
}

static void mask(const char *list)
{
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++)
		library.active[word] &= ~rf_feature_bits(word, UINT32_MAX, list);
}

static bool has_any(const char *list)
{
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++)
		if (rf_feature_bits(word, facts.cpu[word], list))
			return true;
	return false;
}

static bool has_all(const char *list)
{
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++)
		if (rf_feature_bits(word, ~facts.cpu[word], list))
			return false;
	return true;
}

/* What a node without these components would have to name. */
static size_t count_missing(uint64_t components)
{
	struct rf_machine_facts node = facts;
	char text[1024] = "";

	node.xcr0 &= ~components;
	return rf_arch_missing_features(&facts, &node, text, sizeof(text));
}

START_TEST(lists_name_features)
{
	ck_assert_uint_eq(rf_feature_bits(RF_WORD_7_EBX, UINT32_MAX, "avx2"), 1u << 5);
	ck_assert_uint_eq(rf_feature_bits(RF_WORD_7_EBX, UINT32_MAX, "bmi1 avx2 bmi2"), 0x128);
	ck_assert_uint_eq(rf_feature_bits(RF_WORD_7_EBX, 0x100, "bmi1 avx2 bmi2"), 0x100);
	ck_assert_uint_eq(rf_feature_bits(RF_WORD_7_EBX, UINT32_MAX, "avx avx25 vx2"), 0);
	ck_assert_uint_eq(rf_feature_bits(RF_WORD_7_EBX, UINT32_MAX, "avx512*"), 0xdc230000);
	ck_assert_uint_eq(rf_feature_bits(RF_WORD_7_EBX, UINT32_MAX, ""), 0);
	ck_assert_uint_eq(rf_feature_bits(RF_FEATURE_WORDS, UINT32_MAX, "*"), 0);
}
END_TEST

START_TEST(without_a_mask_all_counts)
{
	const struct rf_machine_facts before = facts;

	rf_arch_drop_masked(&facts, &library);
	ck_assert_mem_eq(&facts, &before, sizeof(facts));
	/* glibc has no word for these, or does not trust them */
	mask("sha_ni gfni fsgsbase misalignsse rtm fma4 avx512er");
	rf_arch_drop_masked(&facts, &library);
	ck_assert_mem_eq(&facts, &before, sizeof(facts));
}
END_TEST

/* glibc takes variants for AVX512VL and AVX512BW whether AVX512F is active or not. */
START_TEST(each_mask_stands_for_itself)
{
	mask("avx512f");
	rf_arch_drop_masked(&facts, &library);
	ck_assert(!has_any("avx512f"));
	ck_assert(has_all("avx512vl avx512bw avx512dq avx512cd avx512_vbmi2 avx512_vnni avx10"));
	ck_assert(has_all("avx avx2 fma bmi1 bmi2"));
	ck_assert_uint_eq(count_missing(COMPONENTS_AVX512), 3);
}
END_TEST

START_TEST(what_cannot_be_masked_follows)
{
	mask("avx512f avx512cd avx512bw avx512dq avx512er avx512pf avx512vl");
	rf_arch_drop_masked(&facts, &library);
	ck_assert(!has_any("avx512* avx10"));
	ck_assert(!has_any("sha_ni gfni vaes vpclmulqdq avx_vnni sse4a rdrand amx_* apx_f"));
	ck_assert(has_all(
		"avx avx2 fma bmi1 bmi2 abm movbe popcnt sse4_2 xsavec xsave osxsave sse2"));
	ck_assert_uint_eq(count_missing(COMPONENTS_AVX512), 0);
	ck_assert_uint_eq(count_missing(COMPONENT_AVX), 1);
}
END_TEST

START_TEST(avx_counts_while_it_is_preferred)
{
	mask("avx512f avx512cd avx512bw avx512dq avx512er avx512pf avx512vl avx avx2 fma fma4");
	library.prefers_avx = true;
	rf_arch_drop_masked(&facts, &library);
	ck_assert(has_all("avx"));
	ck_assert(!has_any("avx2 fma f16c"));
	ck_assert_uint_eq(count_missing(COMPONENT_AVX), 1);
	library.prefers_avx = false;
	rf_arch_drop_masked(&facts, &library);
	ck_assert(!has_any("avx"));
	ck_assert_uint_eq(count_missing(COMPONENT_AVX), 0);
}
END_TEST

/* The dynamic linker saves registers with XSAVE, also where that is masked. */
START_TEST(what_every_program_uses_cannot_be_masked)
{
	mask("xsave osxsave sse2 cmov cx8 avx2");
	rf_arch_drop_masked(&facts, &library);
	ck_assert(has_all("fpu cx8 cmov sse sse2 lm xsave osxsave"));
	ck_assert(!has_any("avx2"));
}
END_TEST

/* A process that started elsewhere: what its C library has never seen, it has not masked. */
START_TEST(what_the_library_does_not_know_is_not_masked)
{
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++) {
		library.present[word] &= ~rf_feature_bits(word, UINT32_MAX, "avx512* avx2");
		library.active[word] &= library.present[word];
	}
	rf_arch_drop_masked(&facts, &library);
	ck_assert(has_all("avx512f avx2 sha_ni"));
}
END_TEST

/* The words are those of the CPU: nothing is taken for another word's. */
START_TEST(this_library_knows_this_cpu)
{
	struct rf_machine_facts here;
	size_t known = 0;

	memset(&here, 0, sizeof(here));
	rf_arch_machine_facts(&here);
	if (!rf_arch_ask_c_library(&library))
		return;
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++) {
		ck_assert_msg(!(here.cpu[word] & ~library.present[word]), "word %zu: %x, not %x",
			      word, here.cpu[word], library.present[word]);
		known += here.cpu[word] != 0;
	}
	ck_assert_uint_gt(known, 3);
	ck_assert(library.prefers_avx);
	ck_assert_int_eq(
		setenv("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load", 1), 0);
	ck_assert(rf_arch_ask_c_library(&library));
	ck_assert(!library.prefers_avx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("c_library");
	TCase *tcase = tcase_create("c_library");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, lists_name_features);
	tcase_add_test(tcase, without_a_mask_all_counts);
	tcase_add_test(tcase, each_mask_stands_for_itself);
	tcase_add_test(tcase, what_cannot_be_masked_follows);
	tcase_add_test(tcase, avx_counts_while_it_is_preferred);
	tcase_add_test(tcase, what_every_program_uses_cannot_be_masked);
	tcase_add_test(tcase, what_the_library_does_not_know_is_not_masked);
	tcase_add_test(tcase, this_library_knows_this_cpu);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
