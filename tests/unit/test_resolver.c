/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/x86_64/resolver.c: whether glibc's dynamic linker has room for the vector
 * state of another machine, and how it gets more.  This program's own linker is the one that is
 * widened.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<sys/platform/x86.h>)
#include <sys/platform/x86.h>
#endif

#include "rfork/arch.h"
#include "rfork/maps.h"
#include "rfork/x86_64/features.h"

static struct rf_machine_facts started, node;
static struct rf_report report;

static void set_up(void)
{
	memset(&started, 0, sizeof(started));
	rf_arch_machine_facts(&started);
	node = started;
	memset(&report, 0, sizeof(report));
	unsetenv("LD_BIND_NOW");
}

static bool uses_xsave(void)
{
	struct rf_arch_c_library library;

	return started.xsave_bytes > 576 && rf_arch_ask_c_library(&library);
}

START_TEST(equal_machines_need_nothing)
{
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), 0);
	started.xsave_bytes = 512; /* FXSAVE */
	node.xsave_bytes = 11008;
	node.xcr0 |= 3u << 17;
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), 0);
}
END_TEST

/* Of XSAVEC only what there is counts, not where it lies; of XSAVE both. */
START_TEST(room_that_cannot_be_found_is_refused)
{
	started.xsave_bytes = 16000; /* nothing of the sort is there */
	node.xsave_bytes = 16256;
	started.cpu[RF_WORD_D_1_EAX] = 2;
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), 0);
	started.cpu[RF_WORD_D_1_EAX] = 0;
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), -ENOEXEC);
	ck_assert_ptr_nonnull(strstr(report.sentence, "16256 bytes of vector state"));
	started.cpu[RF_WORD_D_1_EAX] = 2;
	node.xcr0 ^= 1u << 18;
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), -ENOEXEC);
	ck_assert_int_eq(setenv("LD_BIND_NOW", "1", 1), 0);
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), 0);
}
END_TEST

static void read_maps(struct rf_maps *maps)
{
	static unsigned char buffer[1 << 20];

	ck_assert_int_eq(rf_maps_read(maps, buffer, sizeof(buffer)), 0);
}

/* The length of the area, among the few words behind the features; 0 where it is not told. */
static uint32_t room(uint32_t least)
{
#if __has_include(<sys/platform/x86.h>)
	const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(0);
	const uint32_t *word;
	unsigned leaves = 1;

	while (__x86_get_cpuid_feature_leaf(leaves) == leaf + leaves)
		leaves++;
	word = (const uint32_t *)(leaf + leaves);
	for (int i = 2; i < 8; i++)
		if (word[i] >= least && word[i] % 64 == 0 && word[i] < 65536)
			return word[i];
#else
	(void)least;
#endif
	return 0;
}

/* As if this program had started on a CPU with less, and had found room for that. */
START_TEST(room_grows_to_what_is_here)
{
	const struct rf_machine_facts here = started;
	struct rf_maps maps;
	uint32_t least = started.xsave_bytes, old = room(least);
	size_t before;

	if (!uses_xsave())
		return;
	read_maps(&maps);
	before = maps.count;
	started.cpu[RF_WORD_D_1_EAX] = 0;
	started.xcr0 = 3;
	started.xsave_bytes = 576;
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), 0);
	rf_arch_widen_resolver(&started);
	ck_assert_uint_eq(started.xsave_bytes, here.xsave_bytes);
	ck_assert_uint_eq(started.xcr0, here.xcr0);
	ck_assert_uint_eq(room(least), (least + old - 576 + 63) / 64 * 64);
	/* it can be found again, for it is still what fits such facts */
	node.xsave_bytes = started.xsave_bytes + 4096;
	ck_assert_int_eq(rf_arch_check_resolver(&started, &node, &report), 0);
	ck_assert(fabs(sinh(1.5) - 2.129279) < 1e-5); /* bound now */
	read_maps(&maps);
	ck_assert_uint_eq(maps.count, before); /* and read-only as it was */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resolver");
	TCase *tcase = tcase_create("resolver");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, equal_machines_need_nothing);
	tcase_add_test(tcase, room_that_cannot_be_found_is_refused);
	tcase_add_test(tcase, room_grows_to_what_is_here);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
