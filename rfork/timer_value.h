/* SPDX-License-Identifier: MIT */
/*
 * Values of timers as the image has them, in nanoseconds, and as the kernel takes them.  For the
 * process that stops its timers and the shell that makes them again.
 */
#ifndef RF_TIMER_VALUE_H
#define RF_TIMER_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

#include "rfork/image_format.h"

#define RF_SECOND_NS UINT64_C(1000000000)
#define RF_MICROSECOND_NS UINT64_C(1000)

static inline uint64_t rf_timer_timespec_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * RF_SECOND_NS + (uint64_t)time->tv_nsec;
}

static inline uint64_t rf_timer_timeval_ns(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * RF_SECOND_NS + (uint64_t)time->tv_usec * RF_MICROSECOND_NS;
}

static inline struct timespec rf_timer_timespec(uint64_t ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / RF_SECOND_NS),
				  .tv_nsec = (long)(ns % RF_SECOND_NS) };
}

/* Up: what is left of a microsecond is not nothing, which would stop the timer. */
static inline struct timeval rf_timer_timeval(uint64_t ns)
{
	uint64_t us = ns / RF_MICROSECOND_NS + (ns % RF_MICROSECOND_NS != 0);

	return (struct timeval){ .tv_sec = (time_t)(us / 1000000),
				 .tv_usec = (suseconds_t)(us % 1000000) };
}

static inline bool rf_timer_is_cpu_time(const struct rf_image_timer *timer)
{
	return timer->kind == RF_TIMER_POSIX
		       ? timer->clock < 0 || timer->clock == CLOCK_PROCESS_CPUTIME_ID ||
				 timer->clock == CLOCK_THREAD_CPUTIME_ID
		       : timer->kind != RF_TIMER_REAL;
}

/* What is left `passed_ns` after the timer's value was true: 0 if it is not armed, at least 1 if it is.  A
 * CPU clock has stood still meanwhile. */
static inline uint64_t rf_timer_left_ns(const struct rf_image_timer *timer, uint64_t passed_ns)
{
	if (timer->remaining_ns == 0 || rf_timer_is_cpu_time(timer))
		return timer->remaining_ns;
	return timer->remaining_ns > passed_ns ? timer->remaining_ns - passed_ns : 1;
}

/* Lets time pass on a timer of timerfd_create(2): what has expired is there to be read. */
static inline void rf_timer_pass(struct rf_object_timer *timer, uint64_t passed_ns)
{
	uint64_t over_ns, times = 1;

	if (timer->remaining_ns == 0)
		return;
	if (timer->remaining_ns > passed_ns) {
		timer->remaining_ns -= passed_ns;
		return;
	}
	over_ns = passed_ns - timer->remaining_ns;
	timer->remaining_ns = 0;
	if (timer->interval_ns) {
		times += over_ns / timer->interval_ns;
		timer->remaining_ns = timer->interval_ns - over_ns % timer->interval_ns;
	}
	timer->expirations += times < UINT64_MAX - timer->expirations ? times : 0;
}

#endif
