/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that moves takes its timers along: those of setitimer() and of timer_create(), under
 * their ids, with clock, signal, value, interval and the time that is left; what is due during the move
 * goes off once, after it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/signals.h"

#define FAR_S 100000
#define SLACK_S 100 /* more than any test takes */
#define INTERVAL_S 777
#define TIMERS 8
#define TIMER_CREATE_RESTORE_IDS 77 /* Linux 6.15 */

static timer_t timers[TIMERS];

static timer_t make_timer(clockid_t clock, int notify, int signal, void *value)
{
	struct sigevent event = { .sigev_notify = notify,
				  .sigev_signo = signal,
				  .sigev_value.sival_ptr = value };
	timer_t timer;

	if (notify == SIGEV_THREAD_ID)
		event._sigev_un._tid = gettid();
	CHECK_CALL(timer_create(clock, &event, &timer));
	return timer;
}

static void start_timer(timer_t timer, time_t seconds, long ns, time_t interval)
{
	struct itimerspec value = { .it_value = { seconds, ns }, .it_interval.tv_sec = interval };

	CHECK_CALL(timer_settime(timer, 0, &value, NULL));
}

static void expect_far(timer_t timer, time_t far_s, time_t interval_s)
{
	struct itimerspec left;

	CHECK_CALL(timer_gettime(timer, &left));
	CHECK(left.it_value.tv_sec <= far_s && left.it_value.tv_sec > far_s - SLACK_S);
	CHECK_EQUAL(left.it_interval.tv_sec, interval_s);
}

static bool is_armed(timer_t timer)
{
	struct itimerspec left;

	CHECK_CALL(timer_gettime(timer, &left));
	return left.it_value.tv_sec || left.it_value.tv_nsec;
}

/* -- interval timers --------------------------------------------------------------------------- */

static void start_itimers(void)
{
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		struct itimerval value = { .it_value.tv_sec = FAR_S + which * 1000,
					   .it_interval.tv_sec = INTERVAL_S + which };

		CHECK_CALL(setitimer(which, &value, NULL));
	}
}

static void expect_itimers(void)
{
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		time_t far_s = FAR_S + which * 1000;
		struct itimerval left;

		CHECK_CALL(getitimer(which, &left));
		CHECK(left.it_value.tv_sec <= far_s && left.it_value.tv_sec > far_s - SLACK_S);
		CHECK_EQUAL(left.it_interval.tv_sec, INTERVAL_S + which);
	}
}

static int move_itimers(const struct node *node)
{
	const struct itimerval soon = { .it_value.tv_usec = 1000 };

	start_itimers();
	mover_go(node);
	expect_itimers();
	CHECK_CALL(setitimer(ITIMER_REAL, &soon, NULL));
	signals_take(SIGALRM);
	return 0;
}

/* -- timers of timer_create() ------------------------------------------------------------------ */

static void *value_of(int number)
{
	return (void *)(uintptr_t)(0x123456789abcull + (unsigned)number);
}

/* With gaps in the ids. */
static void make_timers(void)
{
	for (int i = 0; i < TIMERS; i++)
		timers[i] = make_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, NULL);
	for (int i = 0; i < TIMERS; i += 2)
		CHECK_CALL(timer_delete(timers[i]));
	timers[0] = make_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, value_of(0));
	timers[2] = make_timer(CLOCK_REALTIME, SIGEV_THREAD_ID, SIGRTMIN + 2, value_of(2));
	timers[4] = make_timer(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 3, value_of(4));
	timers[6] = make_timer(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, SIGRTMIN + 4, value_of(6));
	for (int i = 0; i < TIMERS - 1; i++)
		start_timer(timers[i], FAR_S + i * 1000, 0, INTERVAL_S + i);
}

static void expect_signal(int number, int signal)
{
	siginfo_t info = signals_take(signal);

	CHECK_EQUAL(info.si_code, SI_TIMER);
	CHECK(info.si_value.sival_ptr == value_of(number));
}

static void burn_time(int signal)
{
	sigset_t pending;

	do
		CHECK_CALL(sigpending(&pending));
	while (!sigismember(&pending, signal));
}

static int move_timers(const struct node *node)
{
	timer_t fresh;

	make_timers();
	mover_go(node);
	for (int i = 0; i < TIMERS - 1; i++)
		expect_far(timers[i], FAR_S + i * 1000, INTERVAL_S + i);
	CHECK(!is_armed(timers[TIMERS - 1]));
	/* the kernel chooses ids again; -1 where it always does */
	CHECK(prctl(TIMER_CREATE_RESTORE_IDS, 2, 0, 0, 0) <= 0);
	fresh = make_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, NULL);
	for (int i = 0; i < TIMERS; i++)
		CHECK(timers[i] != fresh);
	start_timer(timers[0], 0, 1000000, 0);
	expect_signal(0, SIGRTMIN + 1);
	start_timer(timers[2], 0, 1000000, 0);
	burn_time(SIGRTMIN + 2);
	CHECK(signals_is_directed(SIGRTMIN + 2));
	expect_signal(2, SIGRTMIN + 2);
	start_timer(timers[4], 0, 1000000, 0);
	burn_time(SIGRTMIN + 3);
	expect_signal(4, SIGRTMIN + 3);
	start_timer(timers[6], 0, 1000000, 0);
	burn_time(SIGRTMIN + 4);
	expect_signal(6, SIGRTMIN + 4);
	return 0;
}

/* -- due during the move ----------------------------------------------------------------------- */

/* A CPU clock by a pid: our own means the same there, another's nothing. */
static int move_clocks_of_processes(const struct node *node)
{
	clockid_t own, foreign;
	timer_t timer;

	CHECK_EQUAL(clock_getcpuclockid(getpid(), &own), 0);
	CHECK_EQUAL(clock_getcpuclockid(getppid(), &foreign), 0);
	timer = make_timer(foreign, SIGEV_NONE, 0, NULL);
	CHECK_EQUAL(rfork_move(node->host), -1);
	CHECK_EQUAL(errno, ENOTSUP);
	CHECK(strstr(rfork_error(), "clock of another process"));
	CHECK_CALL(timer_delete(timer));
	timer = make_timer(own, SIGEV_SIGNAL, SIGRTMIN + 1, value_of(1));
	start_timer(timer, FAR_S, 0, 0);
	mover_go(node);
	expect_far(timer, FAR_S, 0);
	start_timer(timer, 0, 1000000, 0);
	burn_time(SIGRTMIN + 1);
	expect_signal(1, SIGRTMIN + 1);
	return 0;
}

/* Its signal has been pending for long when the process moves, and is taken on the node. */
static int move_ticking_itimer(const struct node *node)
{
	const struct itimerval tick = { { .tv_usec = 1000 }, { .tv_usec = 1000 } }, never = { 0 };
	struct itimerval left;

	CHECK_CALL(setitimer(ITIMER_REAL, &tick, NULL));
	burn_time(SIGALRM);
	mover_go(node);
	for (int i = 0; i < 5; i++)
		signals_take(SIGALRM);
	CHECK_CALL(setitimer(ITIMER_REAL, &never, &left));
	CHECK_EQUAL(left.it_interval.tv_usec, 1000);
	return 0;
}

static int move_due_timers(const struct node *node)
{
	struct itimerspec tick = { .it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000 };
	struct itimerval soon = { .it_value.tv_usec = 2000 };
	timer_t once = make_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 1, value_of(1));
	timer_t often = make_timer(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN + 2, value_of(2));
	sigset_t pending;

	CHECK_CALL(setitimer(ITIMER_REAL, &soon, NULL));
	CHECK_CALL(timer_settime(often, 0, &tick, NULL));
	start_timer(once, 0, 3000000, 0);
	mover_go(node);
	signals_take(SIGALRM);
	expect_signal(1, SIGRTMIN + 1);
	for (int i = 0; i < 5; i++)
		expect_signal(2, SIGRTMIN + 2);
	CHECK(!is_armed(once));
	CHECK_CALL(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGALRM));
	CHECK(!sigismember(&pending, SIGRTMIN + 1));
	return 0;
}

int main(void)
{
	struct node node;
	sigset_t before;

	test_begin();
	node_start(&node, NULL);
	signals_block_all(&before);
	mover_run(&node, move_itimers);
	mover_run(&node, move_timers);
	mover_run(&node, move_clocks_of_processes);
	mover_run(&node, move_ticking_itimer);
	for (int i = 0; i < 5; i++)
		mover_run(&node, move_due_timers);
	signals_restore(&before);
	node_stop(&node);
	return test_end();
}
