/* SPDX-License-Identifier: MIT */
/*
 * What a thread is given of an image's attributes: what nobody has chosen is left alone, what this
 * machine lacks is said, and a script does again what has succeeded, wherever it lies.
 */
#define _GNU_SOURCE
#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rfork/restore_thread.h"

#define LACKING_CPU 8191 /* the last that an image can name */

static struct rf_thread_attributes own, wanted;
static struct rf_thread_script script;
static struct rf_warnings warnings;

static void set_up(void)
{
	memset(&script, 0, sizeof(script));
	memset(&warnings, 0, sizeof(warnings));
	rf_attributes_collect_thread(&own, &rf_attributes_own);
	wanted = own;
}

static void restore(void)
{
	rf_restore_thread(&wanted, &own, &script, &warnings);
}

static void assert_warning(const char *text)
{
	warnings.text[warnings.bytes] = '\0';
	ck_assert_str_eq(warnings.text, text);
}

/* -- utilization clamps ------------------------------------------------------------------------ */

static void choose_clamps(uint32_t home_min, uint32_t home_max, uint32_t here_min,
			  uint32_t here_max)
{
	wanted.image.schedule.util_min = home_min;
	wanted.image.schedule.util_max = home_max;
	own.image.schedule.util_min = here_min;
	own.image.schedule.util_max = here_max;
	restore();
}

/* A kernel without clamps shows 0 for both. */
START_TEST(clamps_that_nobody_has_chosen_are_left_alone)
{
	choose_clamps(0, 0, 0, 1024);
	choose_clamps(0, 1024, 0, 0);
	choose_clamps(0, 0, 0, 0);
	ck_assert_uint_eq(script.count, 0);
	assert_warning("");
}
END_TEST

/* They are set, or that they are not is said. */
static void assert_clamps_tried(const char *refusal)
{
	if (script.count)
		ck_assert_uint_eq(script.steps[0].number, SYS_sched_setattr);
	else
		ck_assert(strncmp(warnings.text, refusal, strlen(refusal)) == 0);
}

START_TEST(clamps_that_were_chosen_are_set)
{
	choose_clamps(100, 500, 0, 0);
	assert_clamps_tried("utilization clamps: they are 0 to 0, not 100 to 500: ");
}
END_TEST

START_TEST(clamps_of_the_node_are_taken_back)
{
	choose_clamps(0, 1024, 10, 1024);
	assert_clamps_tried("utilization clamps: they are 10 to 1024, not 0 to 1024: ");
}
END_TEST

START_TEST(clamps_go_with_another_policy)
{
	wanted.image.schedule.policy = SCHED_BATCH;
	choose_clamps(100, 500, 0, 0);
	ck_assert_uint_ge(script.count, 1);
	ck_assert(script.count == 2 || strstr(warnings.text, "utilization clamps: "));
	ck_assert_int_eq(sched_getscheduler(0), SCHED_BATCH);
}
END_TEST

/* -- CPUs -------------------------------------------------------------------------------------- */

static void choose_cpu(unsigned cpu)
{
	wanted.image.known |= RF_THREAD_STATE_CPUS;
	wanted.image.cpu_bytes = RF_IMAGE_MAX_CPU_BYTES;
	wanted.cpus[cpu / 8] |= (uint8_t)(1u << cpu % 8);
}

START_TEST(cpus_that_are_lacking_are_counted)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	choose_cpu((unsigned)cpu);
	choose_cpu(LACKING_CPU);
	choose_cpu(LACKING_CPU - 1);
	restore();
	assert_warning("CPU affinity: this machine does not give 2 of the CPUs that it names\n");
	ck_assert_int_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	ck_assert_int_eq(CPU_COUNT(&set), 1);
	ck_assert(CPU_ISSET(cpu, &set));
}
END_TEST

START_TEST(no_cpu_is_a_warning)
{
	choose_cpu(LACKING_CPU);
	restore();
	ck_assert_uint_eq(script.count, 0);
	assert_warning("CPU affinity: this machine gives none of the CPUs that it names: Invalid "
		       "argument\n");
}
END_TEST

/* -- scripts ----------------------------------------------------------------------------------- */

START_TEST(script_may_lie_anywhere)
{
	struct rf_step steps[RF_THREAD_SCRIPT_STEPS];
	unsigned char memory[RF_THREAD_SCRIPT_BYTES];
	const uint8_t *cpus;
	size_t count;

	choose_cpu((unsigned)sched_getcpu());
	memcpy(wanted.image.comm, "another name", 13);
	wanted.image.timer_slack_ns = own.image.timer_slack_ns + 1;
	restore();
	rf_restore_script_others(&script, &wanted, &own);
	count = rf_restore_write_script(steps, memory, &script);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(steps[0].arguments[0], PR_SET_TIMERSLACK);
	ck_assert_uint_eq(steps[0].arguments[1], wanted.image.timer_slack_ns);
	ck_assert_uint_eq(steps[1].number, SYS_sched_setaffinity);
	cpus = (const uint8_t *)steps[1].arguments[2];
	ck_assert(cpus >= memory && cpus < memory + sizeof(memory));
	ck_assert_mem_eq(cpus, wanted.cpus, sizeof(wanted.cpus));
	ck_assert_uint_eq(steps[2].arguments[0], PR_SET_NAME);
	ck_assert_str_eq((const char *)steps[2].arguments[1], "another name");
}
END_TEST

START_TEST(idle_threads_keep_their_nice_value)
{
	wanted.image.schedule.policy = SCHED_IDLE;
	wanted.image.schedule.nice = own.image.schedule.nice + 1;
	restore();
	ck_assert_uint_eq(script.count, 2);
	ck_assert_uint_eq(script.steps[1].number, SYS_setpriority);
	rf_attributes_collect_thread(&own, &rf_attributes_own);
	ck_assert_int_eq(own.image.schedule.nice, wanted.image.schedule.nice);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("restore_thread");
	TCase *tcase = tcase_create("restore_thread");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, set_up, NULL);
	tcase_add_test(tcase, clamps_that_nobody_has_chosen_are_left_alone);
	tcase_add_test(tcase, clamps_that_were_chosen_are_set);
	tcase_add_test(tcase, clamps_of_the_node_are_taken_back);
	tcase_add_test(tcase, clamps_go_with_another_policy);
	tcase_add_test(tcase, cpus_that_are_lacking_are_counted);
	tcase_add_test(tcase, no_cpu_is_a_warning);
	tcase_add_test(tcase, script_may_lie_anywhere);
	tcase_add_test(tcase, idle_threads_keep_their_nice_value);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
