/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of server/session_signals.c: whose word a SIGTERM is, also when its sender is gone by the
 * time it is read.
 */
#define _GNU_SOURCE
#include "server/session_signals.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 0x3fffffff /* above every limit of pids */

static int urgent;
static struct rf_job job;

static void set_up(void)
{
	sigset_t mask;

	rf_signals_block();
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	urgent = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	ck_assert_int_ge(urgent, 0);
}

static void tear_down(void)
{
	rf_job_close(&job);
	close(urgent);
}

/* Somebody sends us SIGTERM, ends, and is reaped; its pid. */
static pid_t be_terminated_by_one_who_ends(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(kill(getppid(), SIGTERM) ? 1 : 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

START_TEST(listener_that_is_gone_has_ended_the_session)
{
	pid_t listener = be_terminated_by_one_who_ends();

	ck_assert_int_eq(rf_job_open(&job, NOBODY, listener, urgent), 0);
	ck_assert_uint_eq(rf_job_take_urgent(&job), RF_JOB_TERMINATE);
}
END_TEST

START_TEST(command_that_is_gone_was_the_childs)
{
	struct rf_frame_signal signal;

	be_terminated_by_one_who_ends();
	ck_assert_int_eq(rf_job_open(&job, NOBODY, getppid(), urgent), 0);
	ck_assert_uint_eq(rf_job_take_urgent(&job), RF_JOB_SIGNAL);
	ck_assert(rf_job_next_signal(&job, &signal));
	ck_assert_uint_eq(signal.signal, SIGTERM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job");
	TCase *tcase = tcase_create("job");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tcase);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, listener_that_is_gone_has_ended_the_session);
	tcase_add_test(tcase, command_that_is_gone_was_the_childs);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
