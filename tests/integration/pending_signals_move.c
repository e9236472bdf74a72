/* SPDX-License-Identifier: MIT */
/*
 * Claim: signals that are pending when a process moves are delivered on the node, with all that the kernel
 * says of them, to the process or its thread as they were sent; and of a stream of queued signals that
 * goes on during the move none is lost and none comes twice, and if it succeeds all come in order.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/signals.h"
#include "tests/support/stream.h"

#define MANY_SIGNALS 8500
#define STREAM_SIGNALS 2000
#define STREAM_SIGNAL (SIGRTMIN + 5)

static int ready[2];

/* glibc's own says SI_USER for SI_TKILL. */
static siginfo_t take(int signal)
{
	struct timespec limit = { .tv_sec = TEST_DEADLINE_MS / 1000 };
	uint64_t set = 1ull << (signal - 1);
	siginfo_t info = { 0 };

	CHECK_EQUAL(CHECK_CALL((int)syscall(SYS_rt_sigtimedwait, &set, &info, &limit, sizeof(set))),
		    signal);
	return info;
}

static void queue(int signal, int value)
{
	CHECK_CALL(sigqueue(getpid(), signal, (union sigval){ .sival_int = value }));
}

static void expect_queued(int signal, int value, pid_t sender)
{
	siginfo_t info = take(signal);

	CHECK_EQUAL(info.si_code, SI_QUEUE);
	CHECK_EQUAL(info.si_value.sival_int, value);
	CHECK_EQUAL(info.si_pid, sender);
	CHECK_EQUAL(info.si_uid, getuid());
}

static volatile sig_atomic_t handled;

static void handle(int signal)
{
	handled = signal;
}

static int move_pending(const struct node *node)
{
	pid_t home = getpid();
	sigset_t none, pending;

	signal(SIGHUP, handle);
	queue(SIGRTMIN + 1, 1);
	queue(SIGUSR1, 10);
	queue(SIGRTMIN + 1, 2);
	queue(SIGRTMIN + 1, 3);
	CHECK_CALL(kill(getpid(), SIGTERM));
	CHECK_CALL((int)syscall(SYS_tgkill, getpid(), gettid(), SIGUSR2));
	CHECK_CALL((int)syscall(SYS_tgkill, getpid(), gettid(), SIGHUP));
	CHECK_CALL((int)syscall(SYS_tgkill, getpid(), gettid(), SIGRTMIN + 1));
	mover_go(node);
	CHECK(getpid() != home);
	CHECK_EQUAL(handled, 0);
	CHECK(signals_is_directed(SIGRTMIN + 1) && signals_is_directed(SIGUSR2));
	CHECK(!signals_is_directed(SIGUSR1) && !signals_is_directed(SIGTERM));
	/* what is the thread's comes first */
	CHECK_EQUAL(take(SIGRTMIN + 1).si_code, SI_TKILL);
	for (int value = 1; value <= 3; value++)
		expect_queued(SIGRTMIN + 1, value, home);
	expect_queued(SIGUSR1, 10, home);
	CHECK_EQUAL(take(SIGTERM).si_code, SI_USER);
	CHECK_EQUAL(take(SIGUSR2).si_pid, home);
	signals_await_flag(SIGHUP, &handled);
	CHECK_EQUAL(handled, SIGHUP);
	CHECK_CALL(sigpending(&pending));
	sigemptyset(&none);
	CHECK(!memcmp(&pending, &none, sizeof(uint64_t)));
	return 0;
}

/* A stream of signals, in the middle of which the process moves. */
static int move_in_a_stream(const struct node *node)
{
	stream_tell(ready[1]);
	mover_go(node);
	for (int value = 0; value < STREAM_SIGNALS; value++)
		CHECK_EQUAL(take(STREAM_SIGNAL).si_value.sival_int, value);
	return 0;
}

/* Where the process has to stay, those that are sent while the others go back may overtake them. */
static int stay_in_a_stream(const struct node *node)
{
	static bool has_come[STREAM_SIGNALS];

	CHECK_CALL(setenv("RFORK_CHECK_FROZEN", "break", 1));
	stream_tell(ready[1]);
	CHECK_EQUAL(rfork_move(node->host), -1);
	CHECK_EQUAL(errno, EIO);
	for (int i = 0; i < STREAM_SIGNALS; i++) {
		int value = take(STREAM_SIGNAL).si_value.sival_int;

		CHECK(value >= 0 && value < STREAM_SIGNALS && !has_come[value]);
		has_come[value] = true;
	}
	return 0;
}

/* More than an image holds: none is lost by the attempt, nor by asking beforehand. */
static int stay_with_many(const struct node *node)
{
	const struct rfork_options move = { .size = sizeof(move), .flags = RFORK_CHECK_MOVE };
	char list[256];

	for (int value = 0; value < MANY_SIGNALS; value++)
		signals_queue(getpid(), STREAM_SIGNAL, (union sigval){ .sival_int = value });
	CHECK_EQUAL(rfork_check(node->host, &move, list, sizeof(list)), 1);
	CHECK(strstr(list, "8500 pending signals"));
	CHECK_EQUAL(rfork_move(node->host), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	for (int value = 0; value < MANY_SIGNALS; value++)
		CHECK_EQUAL(take(STREAM_SIGNAL).si_value.sival_int, value);
	return 0;
}

static void check_many(const struct node *node)
{
	struct rlimit limit;

	CHECK_CALL(getrlimit(RLIMIT_SIGPENDING, &limit));
	if (limit.rlim_cur > 2 * MANY_SIGNALS)
		mover_run(node, stay_with_many);
	else
		dprintf(2, "no more than %lu signals can be pending here\n", limit.rlim_cur);
}

static void check_stream(const struct node *node, int (*body)(const struct node *node))
{
	pid_t pid = mover_start(node, body);

	stream_hear(ready[0]);
	for (int value = 0; value < STREAM_SIGNALS; value++)
		signals_queue(pid, STREAM_SIGNAL, (union sigval){ .sival_int = value });
	test_expect_exit(pid, 0);
}

int main(void)
{
	struct node node;
	sigset_t before;

	test_begin();
	node_start(&node, NULL);
	CHECK_CALL(pipe(ready));
	signals_block_all(&before);
	mover_run(&node, move_pending);
	check_many(&node);
	for (int i = 0; i < 5; i++) {
		check_stream(&node, move_in_a_stream);
		check_stream(&node, stay_in_a_stream);
	}
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
