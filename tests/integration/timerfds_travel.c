/* SPDX-License-Identifier: MIT */
/*
 * Claim: a timer of timerfd_create(2) arrives with its clock, its remaining time and interval, what
 * has expired and has not been read, and goes on; one of the wall clock goes off when it was to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/ways.h"

#define LONG_S 5000
#define INTERVAL_S 100
#define PASSED_S 1050
/* A way takes less. */
#define SLACK_S 60

static int running, unread, once, idle, alarm_clock, soon;
static time_t due;

static int make(int clock, int flags, time_t seconds, time_t interval)
{
	struct itimerspec value = { .it_value.tv_sec = seconds, .it_interval.tv_sec = interval };
	int fd = CHECK_CALL(timerfd_create(clock, TFD_NONBLOCK));

	CHECK_CALL(timerfd_settime(fd, flags, &value, NULL));
	return fd;
}

static time_t now(clockid_t clock)
{
	struct timespec time;

	CHECK_CALL(clock_gettime(clock, &time));
	return time.tv_sec;
}

static void build(void)
{
	struct itimerspec moment = { .it_value.tv_nsec = 1 };

	running = make(CLOCK_BOOTTIME, 0, LONG_S, INTERVAL_S);
	/* as if it had been set long ago */
	unread =
		make(CLOCK_REALTIME, TFD_TIMER_ABSTIME, now(CLOCK_REALTIME) - PASSED_S, INTERVAL_S);
	once = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	CHECK_CALL(timerfd_settime(once, 0, &moment, NULL));
	CHECK(test_poll(once, POLLIN, TEST_DEADLINE_MS));
	idle = make(CLOCK_MONOTONIC, 0, 0, INTERVAL_S);
	due = now(CLOCK_REALTIME) + LONG_S;
	alarm_clock = make(CLOCK_REALTIME, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, due, 0);
	soon = make(CLOCK_MONOTONIC, TFD_TIMER_ABSTIME, now(CLOCK_MONOTONIC) + 1, INTERVAL_S);
}

static void expect_left(int fd, time_t seconds, time_t interval)
{
	struct itimerspec left;

	CHECK_CALL(timerfd_gettime(fd, &left));
	CHECK_AT_MOST(left.it_value.tv_sec, seconds);
	CHECK_AT_MOST(seconds - SLACK_S, left.it_value.tv_sec);
	CHECK_EQUAL(left.it_interval.tv_sec, interval);
}

static void expect_expirations(int fd, uint64_t expected)
{
	uint64_t count = 0;
	ssize_t got = read(fd, &count, sizeof(count));

	if (expected == 0)
		CHECK(got == -1 && errno == EAGAIN);
	else
		CHECK_EQUAL(got, sizeof(count));
	CHECK_EQUAL(count, expected);
}

/* What the kernel says of it behind `label`. */
static long read_info(int fd, const char *label)
{
	char path[64], text[1024] = "";
	const char *found;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = CHECK_CALL(open(path, O_RDONLY));
	CHECK(read(info, text, sizeof(text) - 1) > 0);
	close(info);
	found = strstr(text, label);
	CHECK(found);
	return strtol(found + strlen(label), NULL, 0);
}

static void verify(enum way way)
{
	struct itimerspec left;

	(void)way;
	CHECK_EQUAL(CHECK_CALL(fcntl(running, F_GETFL)), O_RDWR | O_NONBLOCK);
	CHECK_EQUAL(read_info(running, "clockid: "), CLOCK_BOOTTIME);
	expect_left(running, LONG_S, INTERVAL_S);
	expect_expirations(running, 0);
	expect_left(unread, INTERVAL_S - PASSED_S % INTERVAL_S, INTERVAL_S);
	expect_expirations(unread, PASSED_S / INTERVAL_S + 1);
	expect_left(once, 0, 0);
	expect_expirations(once, 1);
	expect_left(idle, 0, INTERVAL_S);
	expect_expirations(idle, 0);
	CHECK_EQUAL(read_info(alarm_clock, "settime flags: "), 3);
	CHECK_CALL(timerfd_gettime(alarm_clock, &left));
	/* to the second, however long the way was */
	CHECK_AT_MOST(labs(now(CLOCK_REALTIME) + left.it_value.tv_sec - due), 1);
	CHECK(test_poll(soon, POLLIN, TEST_DEADLINE_MS));
	expect_expirations(soon, 1);
}

int main(void)
{
	return ways_three_beats(build, verify);
}
