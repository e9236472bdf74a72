/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of rfork/fdduplicate.c: duplicates are found among thousands of descriptors of one
 * inode, and the kernel is not asked for each pair of them.  Each table is made in a process whose
 * system calls are counted.
 */
#define _GNU_SOURCE
#include "rfork/fdduplicate.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/count_calls.h"

#define EVENTS 400 /* eventfds, each twice: most processes may have as many */
#define STEPS 9	   /* that a search among them takes, at most: their logarithm */
#define FIRST 100  /* where they begin */
#define DUPFD_QUERY 1027

static struct rf_fdtable table;
static struct rf_arena arena;

/* Those of the test itself. */
static bool is_ours(int fd)
{
	return fd < FIRST;
}

static void collect(void)
{
	struct rf_report report = { 0 };
	char lines[RF_REFUSALS_BYTES];
	struct rf_refusals refusals;

	rf_refusals_begin(&refusals, lines, sizeof(lines));
	ck_assert_int_eq(rf_arena_map(&arena, RF_ARENA_BYTES), 0);
	ck_assert_int_eq(rf_fdtable_collect(&table, &arena, 0, &refusals, NULL, is_ours, &report),
			 0);
	ck_assert_msg(refusals.count == 0, "%s", lines);
}

static void put(int fd, int number)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, number), number);
	close(fd);
}

/* Each, and then a duplicate of each, the last one first. */
static void make_events(void)
{
	for (int i = 0; i < EVENTS; i++)
		put(eventfd((unsigned)i, 0), FIRST + i);
	for (int i = 0; i < EVENTS; i++)
		ck_assert_int_ge(dup2(FIRST + EVENTS - 1 - i, FIRST + EVENTS + i), 0);
}

/* What a number is a duplicate of, or RF_IMAGE_NONE. */
static uint32_t find_original(int number)
{
	for (size_t i = 0; i < table.count; i++)
		if (table.entries[i].image.number == (uint32_t)number)
			return table.entries[i].image.same_as;
	ck_abort_msg("descriptor %d is missing", number);
}

static void expect_events(void)
{
	for (int i = 0; i < EVENTS; i++) {
		ck_assert_uint_eq(find_original(FIRST + i), RF_IMAGE_NONE);
		ck_assert_uint_eq(find_original(FIRST + EVENTS + i),
				  (unsigned)(FIRST + EVENTS - 1 - i));
	}
	ck_assert_uint_eq(table.object_count, EVENTS);
}

static void many_events(void)
{
	make_events();
	collect();
	expect_events();
}

/* -- how often the kernel is asked --------------------------------------------------------------- */

START_TEST(many_of_one_inode_are_not_compared_each_with_each)
{
	int count = count_calls(many_events, SYS_kcmp);

	ck_assert_int_le(count, 2 * EVENTS * STEPS);
	ck_assert_int_ge(count, EVENTS); /* it has been asked */
}
END_TEST

static void one_of_each(void)
{
	put(open("/proc/self/status", O_RDONLY), FIRST);
	put(open("/", O_RDONLY | O_DIRECTORY), FIRST + 1);
	put(eventfd(0, 0), FIRST + 2);
	collect();
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(find_original(FIRST + i), RF_IMAGE_NONE);
}

START_TEST(what_is_alone_of_its_kind_costs_no_question)
{
	ck_assert_int_eq(count_calls(one_of_each, SYS_kcmp), 0);
}
END_TEST

/* -- where kcmp(2) is not permitted ------------------------------------------------------------ */

static void forbid_kcmp(void)
{
	struct sock_filter filter[] = {
		{ BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr) },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_kcmp },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM },
		{ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW },
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
	ck_assert_int_eq(syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0), -1);
}

/* In this process: the runner gives each test one of its own. */
START_TEST(a_kernel_that_only_compares_is_asked_for_each)
{
	if (fcntl(STDERR_FILENO, DUPFD_QUERY, STDERR_FILENO) != 1)
		return; /* Linux 6.10 */
	forbid_kcmp();
	many_events();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fdduplicate");
	TCase *tcase = tcase_create("fdduplicate");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, many_of_one_inode_are_not_compared_each_with_each);
	tcase_add_test(tcase, what_is_alone_of_its_kind_costs_no_question);
	tcase_add_test(tcase, a_kernel_that_only_compares_is_asked_for_each);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
