/* SPDX-License-Identifier: MIT */
/*
 * Blocks, takes and queues signals, with a deadline.  Called by the test programs, in the caller
 * and in the child; installs no handlers.
 */
#define _GNU_SOURCE
#include "tests/support/signals.h"

#include <poll.h>
#include <stdio.h>
#include <time.h>

#define C_LIBRARY_FIRST 32
#define C_LIBRARY_LAST 33

bool signals_can_be_caught(int signal)
{
	return signal > 0 && signal < SIGNALS_END && signal != SIGKILL && signal != SIGSTOP &&
	       (signal < C_LIBRARY_FIRST || signal > C_LIBRARY_LAST);
}

void signals_block_all(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	CHECK_CALL(sigprocmask(SIG_SETMASK, &all, before));
}

void signals_restore(const sigset_t *before)
{
	CHECK_CALL(sigprocmask(SIG_SETMASK, before, NULL));
}

bool signals_is_directed(int signal)
{
	FILE *status = fopen("/proc/thread-self/status", "re");
	unsigned long long pending = 0;
	char line[256];

	CHECK(status);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "SigPnd: %llx", &pending) == 1)
			break;
	fclose(status);
	return pending >> (signal - 1) & 1;
}

siginfo_t signals_take(int signal)
{
	struct timespec limit = { .tv_sec = TEST_DEADLINE_MS / 1000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	while (sigtimedwait(&set, &info, &limit) != signal)
		if (errno != EINTR)
			test_fail(__FILE__, __LINE__, "signal %d has not come", signal);
	return info;
}

void signals_await_flag(int signal, const volatile sig_atomic_t *flag)
{
	struct timespec limit = { .tv_sec = TEST_DEADLINE_MS / 1000 };
	sigset_t mask;

	CHECK_CALL(sigprocmask(SIG_BLOCK, NULL, &mask));
	CHECK(sigismember(&mask, signal));
	sigdelset(&mask, signal);
	while (!*flag) {
		if (ppoll(NULL, 0, &limit, &mask) == 0 && !*flag)
			test_fail(__FILE__, __LINE__, "no handler has run for signal %d", signal);
	}
}

void signals_queue(pid_t pid, int signal, union sigval value)
{
	int64_t deadline_ms = test_now_ms() + TEST_DEADLINE_MS;

	while (sigqueue(pid, signal, value)) {
		CHECK_EQUAL(errno, EAGAIN); /* RLIMIT_SIGPENDING */
		CHECK(test_now_ms() < deadline_ms);
		poll(NULL, 0, 1);
	}
}
