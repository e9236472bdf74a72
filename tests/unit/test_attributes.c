/* SPDX-License-Identifier: MIT */
/*
 * What a fork child has of its parent's attributes, which steps a plan gets for what differs, and
 * the list of warnings.
 */
#define _GNU_SOURCE
#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "rfork/attributes.h"
#include "rfork/restore_attributes.h"
#include "rfork/warnings.h"

#define RESET_ON_FORK 1

static struct rf_attributes own, wanted;
static struct rf_reader_thread thread;
static struct rf_image image;
static struct rf_step steps[RF_RESTORE_ATTRIBUTE_STEPS];
static struct rf_image_limit limits[RF_IMAGE_LIMITS];
static struct rf_warnings warnings;

static void set_up(void)
{
	memset(&own, 0, sizeof(own));
	own.state.known = RF_STATE_ALL;
	own.thread.image.known = RF_THREAD_STATE_ALL;
	for (unsigned i = 0; i < RF_IMAGE_LIMITS; i++)
		own.state.limits[i] = (struct rf_image_limit){ 100 + i, 200 + i };
	wanted = own;
	thread.attributes = &wanted.thread;
	image = (struct rf_image){ .threads = &thread };
	memset(&warnings, 0, sizeof(warnings));
}

static size_t plan(void)
{
	image.state = wanted.state;
	return rf_restore_attribute_steps(steps, &image, &own, limits);
}

START_TEST(equal_attributes_need_no_step)
{
	ck_assert_uint_eq(plan(), 0);
}
END_TEST

START_TEST(limits_are_lowered_by_steps)
{
	wanted.state.limits[7] = (struct rf_image_limit){ 5, 6 };
	ck_assert_uint_eq(plan(), 1);
	ck_assert_uint_eq(steps[0].number, SYS_prlimit64);
	ck_assert_uint_eq(steps[0].arguments[1], 7);
	ck_assert_ptr_eq((void *)steps[0].arguments[2], &limits[7]);
	ck_assert_uint_eq(limits[7].soft, 5);
	ck_assert_uint_eq(limits[7].hard, 6);
}
END_TEST

/* What could not be raised before is what there is. */
START_TEST(hard_limits_bound_soft_ones)
{
	wanted.state.limits[3] = (struct rf_image_limit){ 300, UINT64_MAX };
	ck_assert_uint_eq(plan(), 1);
	ck_assert_uint_eq(limits[3].soft, 203);
	ck_assert_uint_eq(limits[3].hard, 203);
}
END_TEST

START_TEST(what_hinders_a_restore_comes_last)
{
	wanted.state.personality = 0x0400000; /* READ_IMPLIES_EXEC */
	wanted.state.memory_deny = 1;
	wanted.thread.image.flags = RF_THREAD_STATE_TSC;
	ck_assert_uint_eq(plan(), 3);
	ck_assert_uint_eq(steps[0].arguments[0], PR_SET_TSC);
	ck_assert_uint_eq(steps[0].arguments[1], PR_TSC_SIGSEGV);
	ck_assert_uint_eq(steps[1].arguments[0], RF_PR_SET_MDWE);
	ck_assert_uint_eq(steps[2].number, SYS_personality);
	ck_assert_uint_eq(steps[2].arguments[0], 0x0400000);
}
END_TEST

START_TEST(what_is_not_known_is_left_alone)
{
	wanted.state = (struct rf_image_state){ .known = 0 };
	thread.attributes = NULL;
	ck_assert_uint_eq(plan(), 0);
}
END_TEST

START_TEST(fork_drops_what_is_the_parents_alone)
{
	wanted.state.flags = RF_STATE_SUBREAPER | RF_STATE_NO_NEW_PRIVS;
	wanted.state.death_signal = 10;
	wanted.state.memory_deny = 1 | RF_MDWE_NO_INHERIT;
	wanted.thread.image.schedule.nice = -5;
	rf_attributes_fork(&wanted);
	ck_assert_uint_eq(wanted.state.flags, RF_STATE_NO_NEW_PRIVS);
	ck_assert_uint_eq(wanted.state.death_signal, 0);
	ck_assert_uint_eq(wanted.state.memory_deny, 0);
	ck_assert_int_eq(wanted.thread.image.schedule.nice, -5);
}
END_TEST

START_TEST(realtime_is_reset_on_fork)
{
	struct rf_image_schedule *schedule = &wanted.thread.image.schedule;

	*schedule = (struct rf_image_schedule){ .bytes = sizeof(*schedule),
						.policy = SCHED_FIFO,
						.priority = 50,
						.flags = RESET_ON_FORK };
	rf_attributes_fork(&wanted);
	ck_assert_uint_eq(schedule->policy, SCHED_OTHER);
	ck_assert_uint_eq(schedule->priority, 0);
	ck_assert_uint_eq(schedule->flags, 0);
}
END_TEST

START_TEST(raised_priority_is_reset_on_fork)
{
	struct rf_image_schedule *schedule = &wanted.thread.image.schedule;

	schedule->policy = SCHED_BATCH;
	schedule->flags = RESET_ON_FORK;
	schedule->nice = _i;
	rf_attributes_fork(&wanted);
	ck_assert_uint_eq(schedule->policy, SCHED_BATCH);
	ck_assert_int_eq(schedule->nice, _i < 0 ? 0 : _i);
}
END_TEST

START_TEST(warnings_are_whole_lines)
{
	char longest[600];
	unsigned lines = 0;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < 20; i++)
		rf_warn(&warnings, 13, "%d %s: %m", i, longest);
	for (uint32_t i = 0; i < warnings.bytes; i++)
		lines += warnings.text[i] == '\n';
	ck_assert_uint_eq(lines, RF_WARNINGS_BYTES / 512);
	ck_assert_uint_le(warnings.bytes, RF_WARNINGS_BYTES);
	ck_assert_int_eq(warnings.text[warnings.bytes - 1], '\n');
}
END_TEST

/* A thread may call itself what it likes. */
START_TEST(names_make_no_lines)
{
	static const char line[] = "thread a?b?[2J?: its nice value\n";

	rf_warn(&warnings, 0, "thread %s: its nice value", "a\nb\033[2J\177");
	ck_assert_uint_eq(warnings.bytes, sizeof(line) - 1);
	ck_assert_mem_eq(warnings.text, line, sizeof(line) - 1);
}
END_TEST

START_TEST(warnings_from_the_wire_are_harmless)
{
	static const char text[] = "\033[2Jcleared\nnext\r\177\n";

	rf_warnings_take(&warnings, text, sizeof(text) - 1);
	ck_assert_uint_eq(warnings.bytes, sizeof(text) - 1);
	ck_assert_mem_eq(warnings.text, "?[2Jcleared\nnext??\n", sizeof(text) - 1);
	rf_warnings_take(&warnings, "", 0);
	ck_assert_uint_eq(warnings.bytes, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("attributes");
	TCase *tcase = tcase_create("attributes");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, equal_attributes_need_no_step);
	tcase_add_test(tcase, limits_are_lowered_by_steps);
	tcase_add_test(tcase, hard_limits_bound_soft_ones);
	tcase_add_test(tcase, what_hinders_a_restore_comes_last);
	tcase_add_test(tcase, what_is_not_known_is_left_alone);
	tcase_add_test(tcase, fork_drops_what_is_the_parents_alone);
	tcase_add_test(tcase, realtime_is_reset_on_fork);
	tcase_add_loop_test(tcase, raised_priority_is_reset_on_fork, -3, 4);
	tcase_add_test(tcase, warnings_are_whole_lines);
	tcase_add_test(tcase, names_make_no_lines);
	tcase_add_test(tcase, warnings_from_the_wire_are_harmless);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
