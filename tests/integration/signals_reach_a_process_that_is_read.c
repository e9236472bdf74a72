/* SPDX-License-Identifier: MIT */
/*
 * Claim: signals that are sent to a process while it is stopped and read over and over arrive all,
 * with their values, in their order; they end waits as they should; and a fatal one still is.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/target.h"
#include "tools/process_reader.h"

#define SIGNALS 500

enum { READY, COUNT, PAUSES };

static struct target *shared;

static void handle(int number, siginfo_t *info, void *unused)
{
	(void)number;
	(void)unused;
	CHECK_EQUAL(info->si_value.sival_int, atomic_load(&shared->words[COUNT]));
	target_add(shared, COUNT);
}

static void wake(int number)
{
	(void)number;
}

/* Each SIGUSR1 ends one wait, with handlers that let no call be made again. */
static int run(struct target *target)
{
	struct sigaction queued = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction plain = { .sa_handler = wake };
	sigset_t set, none;

	shared = target;
	CHECK_CALL(sigaction(SIGRTMIN, &queued, NULL));
	CHECK_CALL(sigaction(SIGUSR1, &plain, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigemptyset(&none);
	CHECK_CALL(sigprocmask(SIG_SETMASK, &set, NULL));
	target_set(target, READY, 1);
	for (;;) {
		sigset_t pending;

		CHECK_EQUAL(sigsuspend(&none), -1);
		CHECK_EQUAL(errno, EINTR);
		target_add(target, PAUSES);
		CHECK_CALL(sigpending(&pending));
		CHECK_CALL(sigprocmask(SIG_SETMASK, NULL, &pending));
		CHECK(sigismember(&pending, SIGUSR1) == 1 && sigismember(&pending, SIGUSR2) == 0);
	}
}

static void look(struct target *target, bool sends_meanwhile)
{
	struct rf_report report = { 0 };
	struct rf_source source;

	if (rf_process_open(&source, target->pid, NULL, &report) < 0)
		test_fail(__FILE__, __LINE__, "%s", report.sentence);
	if (sends_meanwhile)
		CHECK_CALL(kill(target->pid, SIGUSR1));
	rf_source_close(&source);
}

static void *send(void *context)
{
	struct target *target = context;

	for (int i = 0; i < SIGNALS; i++) {
		union sigval value = { .sival_int = i };

		while (sigqueue(target->pid, SIGRTMIN, value) < 0) {
			CHECK_EQUAL(errno, EAGAIN);
			target_await(target, COUNT, i);
		}
		if (i % 16 == 15) /* not all before the first look */
			target_await(target, COUNT, i + 1);
	}
	return NULL;
}

int main(void)
{
	struct target target;
	pthread_t sender;

	test_begin();
	target_start(&target, run, 0);
	target_await(&target, READY, 1);
	CHECK_EQUAL(pthread_create(&sender, NULL, send, &target), 0);
	while (atomic_load(&target.words[COUNT]) < SIGNALS)
		look(&target, false);
	CHECK_EQUAL(pthread_join(sender, NULL), 0);
	for (int i = 0; i < 100; i++) {
		int pauses = atomic_load(&target.words[PAUSES]);

		look(&target, true);
		target_await(&target, PAUSES, pauses + 1);
	}
	look(&target, false);
	CHECK_CALL(kill(target.pid, SIGTERM));
	test_expect_signal(target.pid, SIGTERM);
	test_forget_process(target.pid);
	return test_end();
}
