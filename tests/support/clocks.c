/* SPDX-License-Identifier: MIT */
/*
 * Makes time namespaces, and looks at clocks.  Called by tests whose processes go where clocks show
 * something else.
 */
#define _GNU_SOURCE
#include "tests/support/clocks.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

/* Those that a time namespace moves. */
static const clockid_t moved[] = { CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE,
				   CLOCK_BOOTTIME };
#define MOVED (sizeof(moved) / sizeof(moved[0]))
static int64_t noted_ns[MOVED];

void clocks_enter(int64_t monotonic_s, int64_t boottime_s)
{
	char text[128];
	int fd;

	if (unshare(CLONE_NEWTIME) < 0)
		test_skip("no time namespace can be made here: %s", strerror(errno));
	snprintf(text, sizeof(text), "monotonic %lld 0\nboottime %lld 0\n", (long long)monotonic_s,
		 (long long)boottime_s);
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		test_skip("a time namespace cannot be given an offset: %s", strerror(errno));
	close(fd);
	fd = CHECK_CALL(open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
	CHECK_CALL(setns(fd, CLONE_NEWTIME));
	close(fd);
}

static int64_t ns_of(struct timespec time)
{
	return time.tv_sec * CLOCKS_SECOND_NS + time.tv_nsec;
}

static struct timespec timespec_of(int64_t time_ns)
{
	return (struct timespec){ time_ns / CLOCKS_SECOND_NS, time_ns % CLOCKS_SECOND_NS };
}

int64_t clocks_read(clockid_t clock)
{
	struct timespec time;

	CHECK_CALL(clock_gettime(clock, &time));
	return ns_of(time);
}

int64_t clocks_ask(clockid_t clock)
{
	struct timespec time;

	CHECK_CALL((int)syscall(SYS_clock_gettime, clock, &time));
	return ns_of(time);
}

void clocks_note(void)
{
	for (unsigned i = 0; i < MOVED; i++)
		noted_ns[i] = clocks_read(moved[i]);
}

void clocks_expect_to_have_gone_on(void)
{
	for (unsigned i = 0; i < MOVED; i++) {
		int64_t low_ns = clocks_ask(moved[i]), read_ns = clocks_read(moved[i]);
		int64_t high_ns = clocks_ask(moved[i]);

		if (low_ns < noted_ns[i] || high_ns > noted_ns[i] + CLOCKS_LIMIT_NS)
			test_fail(__FILE__, __LINE__, "clock %d showed %lld ns, and now %lld",
				  (int)moved[i], (long long)noted_ns[i], (long long)low_ns);
		CHECK(low_ns <= read_ns && read_ns <= high_ns);
	}
}

static void expect_moment(int64_t deadline_ns)
{
	int64_t now_ns = clocks_read(CLOCK_MONOTONIC);

	if (now_ns < deadline_ns || now_ns > deadline_ns + CLOCKS_LIMIT_NS)
		test_fail(__FILE__, __LINE__, "at %lld ns it was taken for %lld", (long long)now_ns,
			  (long long)deadline_ns);
}

static void wait_for_condition(const struct timespec *deadline)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t attributes;
	pthread_cond_t condition;

	CHECK_EQUAL(pthread_condattr_init(&attributes), 0);
	CHECK_EQUAL(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), 0);
	CHECK_EQUAL(pthread_cond_init(&condition, &attributes), 0);
	pthread_mutex_lock(&mutex);
	CHECK_EQUAL(pthread_cond_timedwait(&condition, &mutex, deadline), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
}

static void wait_for_timer(const struct timespec *deadline)
{
	const struct itimerspec value = { .it_value = *deadline };
	int fd = CHECK_CALL(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));

	CHECK_CALL(timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, NULL));
	CHECK(test_poll(fd, POLLIN, TEST_DEADLINE_MS));
	close(fd);
}

void clocks_expect_deadline(int64_t deadline_ns)
{
	struct timespec deadline = timespec_of(deadline_ns);

	CHECK_EQUAL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL), 0);
	expect_moment(deadline_ns);
	deadline = timespec_of(deadline_ns + 50000000);
	wait_for_condition(&deadline);
	expect_moment(deadline_ns + 50000000);
	deadline = timespec_of(deadline_ns + 100000000);
	wait_for_timer(&deadline);
	expect_moment(deadline_ns + 100000000);
}
