/* SPDX-License-Identifier: MIT */
/*
 * Signals and timers.  fork(2) gives a child neither pending signals nor timers.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/state/row.h"

#define ALTSTACK_BYTES 65536u
#define TIMER_S 4000

static bool is_child(void)
{
	return STATE_CHILDREN & (1u << state_way);
}

/* -- actions, mask, alternate stack ------------------------------------------------------------ */

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
	handled = signal;
}

static void set_actions(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	sigaddset(&action.sa_mask, SIGTERM);
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	CHECK_CALL(sigaction(SIGRTMIN + 5, &action, NULL));
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
}

static void see_actions(void)
{
	struct sigaction action;

	CHECK_CALL(sigaction(SIGUSR1, NULL, &action));
	CHECK(action.sa_handler == on_signal && action.sa_flags & SA_RESTART);
	CHECK(sigismember(&action.sa_mask, SIGTERM) == 1);
	CHECK_CALL(sigaction(SIGUSR2, NULL, &action));
	CHECK(action.sa_handler == SIG_IGN);
	CHECK_CALL(raise(SIGRTMIN + 5));
	CHECK_EQUAL(handled, SIGRTMIN + 5);
}

static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGRTMIN + 3);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void see_blocked(void)
{
	sigset_t set;

	CHECK_CALL(sigprocmask(SIG_BLOCK, NULL, &set));
	CHECK(sigismember(&set, SIGHUP) == 1 && sigismember(&set, SIGRTMIN + 3) == 1);
	CHECK(sigismember(&set, SIGINT) == 0);
}

static unsigned char altstack[ALTSTACK_BYTES];

static void set_altstack(void)
{
	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof(altstack) };

	CHECK_CALL(sigaltstack(&stack, NULL));
}

static void see_altstack(void)
{
	stack_t stack;

	CHECK_CALL(sigaltstack(NULL, &stack));
	CHECK(stack.ss_sp == altstack && stack.ss_size == sizeof(altstack));
	CHECK_EQUAL(stack.ss_flags, 0);
}

/* -- what is under way ------------------------------------------------------------------------- */

static void send_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 1; i <= 2; i++)
		CHECK_CALL(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i }));
}

static void see_signals(void)
{
	struct timespec now = { 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	/* it may have come unblocked, if the mask is lost */
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 1; i <= 2 && !is_child(); i++) {
		CHECK_EQUAL(sigtimedwait(&set, &info, &now), SIGRTMIN + 1);
		CHECK_EQUAL(info.si_value.sival_int, i);
	}
	CHECK_EQUAL(sigtimedwait(&set, &info, &now), -1);
}

static void expect_remaining(long seconds)
{
	CHECK_AT_MOST(seconds, is_child() ? 0 : TIMER_S);
	CHECK(is_child() || seconds > TIMER_S - 300);
}

static void set_interval_timers(void)
{
	struct itimerval value = { .it_value.tv_sec = TIMER_S, .it_interval.tv_sec = 7 };

	CHECK_CALL(setitimer(ITIMER_REAL, &value, NULL));
	CHECK_CALL(setitimer(ITIMER_PROF, &value, NULL));
}

static void see_interval_timers(void)
{
	struct itimerval value;

	CHECK_CALL(getitimer(ITIMER_REAL, &value));
	expect_remaining(value.it_value.tv_sec);
	CHECK_EQUAL(value.it_interval.tv_sec, is_child() ? 0 : 7);
	CHECK_CALL(getitimer(ITIMER_PROF, &value));
	expect_remaining(value.it_value.tv_sec);
}

static timer_t timer;

static void make_timer(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2 };
	struct itimerspec value = { .it_value.tv_sec = TIMER_S };

	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK_CALL(timer_settime(timer, 0, &value, NULL));
}

static void see_timer(void)
{
	struct itimerspec value = { .it_value.tv_sec = 0 };

	CHECK_EQUAL(timer_gettime(timer, &value), is_child() ? -1 : 0);
	expect_remaining(value.it_value.tv_sec);
}

const struct state_row state_signal_rows[] = {
	{ "signal-actions", set_actions, see_actions, .ways = STATE_ALL },
	/* rfork_move() blocks all signals, and has the mask in a variable */
	{ "signal-mask", block, see_blocked, .ways = STATE_ALL, .unseen = STATE_BY(MOVE) },
	{ "alternate-stack", set_altstack, see_altstack, .ways = STATE_ALL },
	/* what is not blocked does not stay pending */
	{ "pending-signals", send_signals, see_signals, .ways = STATE_ALL, .unseen = STATE_CHILDREN,
	  .needs = { "signal-mask" } },
	{ "interval-timers", set_interval_timers, see_interval_timers, .ways = STATE_ALL,
	  .unseen = STATE_CHILDREN },
	{ "posix-timers", make_timer, see_timer, .ways = STATE_ALL, .unseen = STATE_CHILDREN },
	{ .kind = NULL },
};
