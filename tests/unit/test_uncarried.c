/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/x86_64/uncarried.c, with answers of kernels and processors that are not those
 * of this machine.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "rfork/arch.h"
#include "rfork/attributes.h"

#define GET_CPUID 0x1011
#define GET_UNTAG_MASK 0x4001
#define SHADOW_STACK_STATUS 0x5005

/* What each question is answered with: a result, and what is stored. */
struct answer {
	long result;
	uint64_t stored;
};

static struct answer table, shadow, mask, cpuid;

static long call(void *context, long number, const uint64_t arguments[5], void *stored,
		 size_t bytes, unsigned place)
{
	const struct answer *answer = &table;

	(void)context;
	if (number == SYS_arch_prctl)
		answer = arguments[0] == GET_CPUID	  ? &cpuid
			 : arguments[0] == GET_UNTAG_MASK ? &mask
							  : &shadow;
	else
		ck_assert_int_eq(number, SYS_modify_ldt);
	if (answer == &shadow)
		ck_assert_uint_eq(arguments[0], SHADOW_STACK_STATUS);
	if (answer->result >= 0 && answer != &cpuid) {
		ck_assert_uint_eq(place, 1);
		ck_assert_uint_eq(bytes, sizeof(answer->stored));
		memcpy(stored, &answer->stored, bytes);
	}
	return answer->result;
}

static const struct rf_attribute_source source = { .process = "self", .call = call };

/* A process that has none of it, on a kernel that knows all. */
static void set_up(void)
{
	table = (struct answer){ 0, 0 };
	shadow = (struct answer){ 0, 0 };
	mask = (struct answer){ 0, UINT64_MAX };
	cpuid = (struct answer){ 1, 0 };
}

static void expect(const char *words)
{
	const char *found = rf_arch_name_uncarried(&source);

	ck_assert_ptr_nonnull(found);
	ck_assert_msg(strncmp(found, words, strlen(words)) == 0, "%s", found);
}

START_TEST(nothing_is_refused_without_a_reason)
{
	ck_assert_ptr_null(rf_arch_name_uncarried(&source));
}
END_TEST

START_TEST(what_a_kernel_does_not_know_is_not_there)
{
	table.result = -ENOSYS;
	shadow.result = mask.result = cpuid.result = -EINVAL;
	ck_assert_ptr_null(rf_arch_name_uncarried(&source));
}
END_TEST

START_TEST(segments_are_named)
{
	table.result = 8; /* even if the first entry is empty */
	expect("segments: ");
}
END_TEST

START_TEST(shadow_stacks_are_named)
{
	shadow.stored = 1;
	expect("shadow stack: ");
}
END_TEST

START_TEST(tagged_addresses_are_named)
{
	mask.stored = ~(UINT64_C(0x3f) << 57);
	expect("tagged addresses: ");
}
END_TEST

START_TEST(forbidden_cpuid_is_named)
{
	cpuid.result = 0;
	expect("CPUID: ");
}
END_TEST

START_TEST(this_process_has_nothing_of_it)
{
	ck_assert_ptr_null(rf_arch_name_uncarried(&rf_attributes_own));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uncarried");
	TCase *cases = tcase_create("uncarried");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(cases, set_up, NULL);
	tcase_add_test(cases, nothing_is_refused_without_a_reason);
	tcase_add_test(cases, what_a_kernel_does_not_know_is_not_there);
	tcase_add_test(cases, segments_are_named);
	tcase_add_test(cases, shadow_stacks_are_named);
	tcase_add_test(cases, tagged_addresses_are_named);
	tcase_add_test(cases, forbidden_cpuid_is_named);
	tcase_add_test(cases, this_process_has_nothing_of_it);
	suite_add_tcase(suite, cases);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
