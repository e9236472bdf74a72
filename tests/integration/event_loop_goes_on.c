/* SPDX-License-Identifier: MIT */
/*
 * Claim: a program that is one loop around epoll_wait(2), with a timer, a counter and signals in
 * it, simply goes on where it arrives: it made its descriptors once, and never looks at them again.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define ROUNDS 20
#define TICK_NS 2000000

enum { TIMER, COUNTER, SIGNALS, SOURCES };

static int epoll, fds[SOURCES];
static unsigned ticks, counts, signals;

static void watch(unsigned source, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = source };

	fds[source] = CHECK_CALL(fd);
	CHECK_CALL(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void take_signal(void)
{
	struct signalfd_siginfo info;

	CHECK_EQUAL(read(fds[SIGNALS], &info, sizeof(info)), sizeof(info));
	CHECK_EQUAL(info.ssi_signo, SIGUSR1);
	CHECK_EQUAL(info.ssi_pid, getpid());
	signals++;
}

static void take(unsigned source)
{
	uint64_t count;

	if (source == SIGNALS) {
		take_signal();
		return;
	}
	CHECK_EQUAL(read(fds[source], &count, sizeof(count)), sizeof(count));
	if (source == COUNTER) {
		counts += (unsigned)count;
		CHECK_CALL(raise(SIGUSR1));
		return;
	}
	ticks += (unsigned)count;
	CHECK_CALL(eventfd_write(fds[COUNTER], 1));
}

/* A tick makes a count, and a count a signal. */
static void run_until(unsigned rounds)
{
	while (signals < rounds) {
		struct epoll_event events[SOURCES];
		int told = epoll_wait(epoll, events, SOURCES, TEST_DEADLINE_MS);

		CHECK(told > 0);
		for (int i = 0; i < told; i++)
			take(events[i].data.u32);
	}
}

static void build(void)
{
	const struct itimerspec tick = { { 0, TICK_NS }, { 0, TICK_NS } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_CALL(sigprocmask(SIG_BLOCK, &set, NULL));
	epoll = CHECK_CALL(epoll_create1(EPOLL_CLOEXEC));
	watch(TIMER, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
	watch(COUNTER, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	watch(SIGNALS, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
	CHECK_CALL(timerfd_settime(fds[TIMER], 0, &tick, NULL));
	run_until(ROUNDS);
}

static void verify(enum way way)
{
	(void)way;
	run_until(2 * ROUNDS);
	CHECK(ticks >= counts && counts >= signals);
}

int main(void)
{
	return ways_three_beats(build, verify);
}
