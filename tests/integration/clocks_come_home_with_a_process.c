/* SPDX-License-Identifier: MIT */
/*
 * Claim: a process that moves over nodes whose clocks show something else, and back, sees its
 * clocks go on all the way, and its timers go off when its clock shows the moment.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/support/clocks.h"
#include "tests/support/mover.h"
#include "tests/support/signals.h"

#define HERE_S 1000000
#define AHEAD_S 2000000
#define SOON_NS 300000000

static struct node home, behind, ahead;

static void put_ahead(const struct node *node)
{
	(void)node;
	clocks_enter(AHEAD_S, AHEAD_S + HERE_S);
}

static timer_t start_timer(int64_t deadline_ns)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec value = { .it_value = { deadline_ns / CLOCKS_SECOND_NS,
						  deadline_ns % CLOCKS_SECOND_NS } };
	timer_t timer;

	CHECK_CALL(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECK_CALL(timer_settime(timer, TIMER_ABSTIME, &value, NULL));
	return timer;
}

static void hop(const struct node *node)
{
	const struct itimerval soon = { .it_value.tv_usec = SOON_NS / 1000 };
	int64_t deadline_ns = clocks_read(CLOCK_MONOTONIC) + SOON_NS;
	timer_t timer = start_timer(deadline_ns);

	CHECK_CALL(setitimer(ITIMER_REAL, &soon, NULL));
	clocks_note();
	mover_go(node);
	clocks_expect_to_have_gone_on();
	signals_take(SIGUSR1);
	CHECK(clocks_read(CLOCK_MONOTONIC) >= deadline_ns);
	signals_take(SIGALRM);
	CHECK(clocks_read(CLOCK_MONOTONIC) >= deadline_ns);
	clocks_expect_to_have_gone_on();
	CHECK_CALL(timer_delete(timer));
}

static int journey(const struct node *unused)
{
	(void)unused;
	signals_block_all(NULL);
	hop(&behind);
	hop(&ahead);
	hop(&home);
	return 0;
}

int main(void)
{
	test_begin();
	if (geteuid() != 0)
		test_skip("only root can make time namespaces");
	node_start(&behind, NULL);
	node_before_server = put_ahead;
	node_start(&ahead, NULL);
	node_before_server = NULL;
	clocks_enter(HERE_S, 2 * HERE_S);
	node_start(&home, NULL);
	mover_run(&home, journey);
	node_stop(&behind);
	node_stop(&ahead);
	node_stop(&home);
	return test_end();
}
