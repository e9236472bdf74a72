/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/machine_facts.c, rfork/vdso.c and rfork/x86_64/cpu.c: what is
 * collected here, and what makes two machines unfit for each other.
 */
#define _GNU_SOURCE
#include "rfork/machine_facts.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/maps.h"
#include "rfork/vdso.h"

static struct rf_machine_facts caller, node;
static struct rf_report report;

static void set_up(void)
{
	ck_assert_int_eq(rf_machine_facts_collect(&caller), 0);
	node = caller;
	memset(&report, 0, sizeof(report));
}

static void assert_unfit(const char *words)
{
	ck_assert_int_eq(rf_machine_facts_compare(&caller, &node, &report), -ENOEXEC);
	ck_assert_int_eq(report.error, ENOEXEC);
	ck_assert_msg(strstr(report.sentence, words) != NULL, "%s", report.sentence);
}

START_TEST(machine_fits_itself)
{
	ck_assert_int_eq(rf_machine_facts_compare(&caller, &node, &report), 0);
}
END_TEST

START_TEST(two_collections_are_equal)
{
	struct rf_machine_facts again;

	memset(&again, 0xff, sizeof(again));
	ck_assert_int_eq(rf_machine_facts_collect(&again), 0);
	ck_assert_mem_eq(&again, &caller, sizeof(again));
}
END_TEST

START_TEST(facts_are_those_of_this_machine)
{
	struct utsname names;
	unsigned char zero[16] = { 0 };

	ck_assert_int_eq(uname(&names), 0);
	ck_assert_str_eq(caller.kernel_release, names.release);
	ck_assert_uint_eq(caller.page_bytes, (unsigned)getpagesize());
	ck_assert_uint_eq(caller.xcr0 & 3, 3);
	ck_assert_uint_ge(caller.xsave_bytes, 512);
	ck_assert_uint_ge(caller.min_address, caller.page_bytes);
	ck_assert_uint_gt(caller.max_address, (uintptr_t)&names);
	ck_assert_mem_ne(caller.boot_id, zero, sizeof(zero));
	ck_assert_uint_eq(caller.vdso_digest != 0, getauxval(AT_SYSINFO_EHDR) != 0);
}
END_TEST

/* Facts that a caller sent, or a file holds, may be of this boot by their own word only. */
START_TEST(only_own_facts_hold)
{
	if (caller.xsave_bytes == 512) /* no XSAVE: nothing can be seen cheaply */
		return;
	ck_assert(rf_arch_facts_hold(&caller));
	node.xcr0 ^= UINT64_C(1) << 62;
	ck_assert(!rf_arch_facts_hold(&node));
	node = caller;
	node.xsave_bytes = 512;
	ck_assert(!rf_arch_facts_hold(&node));
	node.xsave_bytes = UINT32_MAX;
	ck_assert(!rf_arch_facts_hold(&node));
	node = caller;
	node.cpu_words--;
	ck_assert(!rf_arch_facts_hold(&node));
	node = caller;
	node.max_address++;
	ck_assert(!rf_arch_facts_hold(&node));
}
END_TEST

/* The kernel's list leaves some out that CPUID has, and that programs find there: they have no name
 * in it, or are a mode, or are not trusted on some CPUs (rdseed on AMD family 1Ah, linux 6.18). */
static bool is_unlisted(const char *feature)
{
	return strcmp(feature, "osxsave") == 0 || strcmp(feature, "lm") == 0 ||
	       strcmp(feature, "rdseed") == 0;
}

/* Every feature of our words is one that the kernel lists. */
START_TEST(features_are_those_of_cpuinfo)
{
	static char flags[16384];
	struct rf_machine_facts none = caller;
	char missing[4096] = "", name[80];
	FILE *cpuinfo = fopen("/proc/cpuinfo", "re");
	char *save, *feature;
	int checked = 0;

	ck_assert_ptr_nonnull(cpuinfo);
	while (fgets(flags, sizeof(flags), cpuinfo) && strncmp(flags, "flags", 5) != 0)
		;
	ck_assert_int_eq(fclose(cpuinfo), 0);
	strcat(strtok(flags, "\n"), " ");
	memset(none.cpu, 0, sizeof(none.cpu));
	ck_assert_uint_gt(rf_arch_missing_features(&caller, &none, missing, sizeof(missing)), 10);
	for (feature = strtok_r(missing, ", ", &save); feature;
	     feature = strtok_r(NULL, ", ", &save)) {
		if (is_unlisted(feature))
			continue;
		rf_format(name, sizeof(name), " %s ", feature);
		ck_assert_msg(strstr(flags, name) != NULL, "%s", feature);
		checked++;
	}
	ck_assert_int_gt(checked, 10);
}
END_TEST

START_TEST(missing_features_are_named)
{
	node.cpu[0] &= ~(1u << 20);
	caller.cpu[0] |= 1u << 20;
	assert_unfit("lacks sse4_2");
}
END_TEST

START_TEST(missing_state_component_is_named)
{
	caller.xcr0 |= 1u << 18;
	node.xcr0 &= ~(1u << 18);
	caller.cpu[4] |= 1u << 24; /* amx_tile */
	node.cpu[4] |= 1u << 24;
	assert_unfit("AMX tile state");
	caller.xcr0 |= UINT64_C(1) << 62; /* nobody knows who uses it */
	memset(&report, 0, sizeof(report));
	assert_unfit("state component 62");
}
END_TEST

START_TEST(state_component_without_users_is_not_missed)
{
	caller.xcr0 |= 1u << 18;
	node.xcr0 &= ~(1u << 18);
	for (int word = 4; word <= 6; word++)
		caller.cpu[word] &= ~(7u << 21 | 1u << 25 | 1u << 8); /* amx_* */
	ck_assert_int_eq(rf_machine_facts_compare(&caller, &node, &report), 0);
}
END_TEST

START_TEST(node_may_have_more_features)
{
	node.cpu[3] |= 1u << 29;
	caller.cpu[3] &= ~(1u << 29);
	node.xcr0 |= 1u << 18;
	ck_assert_int_eq(rf_machine_facts_compare(&caller, &node, &report), 0);
}
END_TEST

START_TEST(unknown_feature_words_count_too)
{
	caller.cpu_words = RF_CPU_WORDS;
	caller.cpu[RF_CPU_WORDS - 1] = 4;
	node.cpu[RF_CPU_WORDS - 1] = 4; /* beyond the node's count: not in use */
	assert_unfit("CPU feature 15.2");
}
END_TEST

START_TEST(impossible_count_of_words_is_refused)
{
	caller.cpu_words = RF_CPU_WORDS + 1;
	assert_unfit("17 words");
}
END_TEST

START_TEST(every_feature_missing_fits_the_sentence)
{
	memset(caller.cpu, 0xff, sizeof(caller.cpu));
	caller.cpu_words = RF_CPU_WORDS;
	memset(node.cpu, 0, sizeof(node.cpu));
	assert_unfit("lacks pni, ");
}
END_TEST

START_TEST(architecture_and_page_size_are_named)
{
	caller.architecture = 2;
	assert_unfit("architecture");
	memset(&report, 0, sizeof(report));
	caller.architecture = node.architecture;
	caller.page_bytes = 65536;
	assert_unfit("65536");
}
END_TEST

START_TEST(another_vdso_is_no_hindrance)
{
	caller.vdso_digest ^= 1;
	caller.vvar_pages++;
	ck_assert_int_eq(rf_machine_facts_compare(&caller, &node, &report), 0);
	node.vdso_digest = node.vdso_pages = node.vvar_pages = 0;
	ck_assert_int_eq(rf_machine_facts_compare(&caller, &node, &report), 0);
}
END_TEST

START_TEST(vdso_is_where_the_kernel_says)
{
	static unsigned char buffer[1 << 20];
	struct rf_vdso vdso;
	struct rf_maps maps;
	unsigned code = 0;

	ck_assert_int_eq(rf_maps_read(&maps, buffer, sizeof(buffer)), 0);
	ck_assert_int_eq(rf_vdso_find(&vdso, &maps), 0);
	for (uint32_t i = 0; i < vdso.count; i++) {
		ck_assert_uint_lt(vdso.areas[i].start, vdso.areas[i].end);
		if (i)
			ck_assert_uint_le(vdso.areas[i - 1].end, vdso.areas[i].start);
		if (vdso.areas[i].kind != RF_VDSO_CODE)
			continue;
		ck_assert_uint_eq(vdso.areas[i].start, getauxval(AT_SYSINFO_EHDR));
		code++;
	}
	ck_assert_uint_eq(code, vdso.count ? 1 : 0);
	ck_assert_uint_eq(vdso.digest, caller.vdso_digest);
}
END_TEST

START_TEST(vdso_of_too_many_areas_is_refused)
{
	struct rf_map entries[RF_IMAGE_MAX_VDSO_AREAS + 1] = { 0 };
	struct rf_maps maps = { .entries = entries, .count = RF_IMAGE_MAX_VDSO_AREAS + 1 };
	struct rf_vdso vdso;

	for (size_t i = 0; i < maps.count; i++)
		entries[i] = (struct rf_map){ .start = (2 * i + 1) << 16,
					      .end = (2 * i + 2) << 16,
					      .kind = RF_MAP_VVAR };
	ck_assert_int_eq(rf_vdso_find(&vdso, &maps), -E2BIG);
	maps.count = 2;
	ck_assert_int_eq(rf_vdso_find(&vdso, &maps), 0);
	ck_assert_uint_eq(vdso.count, 0); /* data areas alone are no vdso */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("facts");
	TCase *tcase = tcase_create("facts");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, machine_fits_itself);
	tcase_add_test(tcase, two_collections_are_equal);
	tcase_add_test(tcase, facts_are_those_of_this_machine);
	tcase_add_test(tcase, features_are_those_of_cpuinfo);
	tcase_add_test(tcase, only_own_facts_hold);
	tcase_add_test(tcase, missing_features_are_named);
	tcase_add_test(tcase, missing_state_component_is_named);
	tcase_add_test(tcase, state_component_without_users_is_not_missed);
	tcase_add_test(tcase, node_may_have_more_features);
	tcase_add_test(tcase, unknown_feature_words_count_too);
	tcase_add_test(tcase, impossible_count_of_words_is_refused);
	tcase_add_test(tcase, every_feature_missing_fits_the_sentence);
	tcase_add_test(tcase, architecture_and_page_size_are_named);
	tcase_add_test(tcase, another_vdso_is_no_hindrance);
	tcase_add_test(tcase, vdso_is_where_the_kernel_says);
	tcase_add_test(tcase, vdso_of_too_many_areas_is_refused);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
