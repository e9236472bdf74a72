/* SPDX-License-Identifier: MIT */
/*
 * Claim: the clocks read through the vdso go on in the child: they agree with the system call
 * and never stand still.
 */
#define _GNU_SOURCE
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/node.h"

static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC,	    CLOCK_BOOTTIME,
				    CLOCK_TAI,	    CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_COARSE };
#define CLOCKS (sizeof(clocks) / sizeof(clocks[0]))
static int64_t before_ns[CLOCKS];

static int64_t ns_of(struct timespec time)
{
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static int64_t read_vdso(clockid_t clock)
{
	struct timespec time;

	CHECK_CALL(clock_gettime(clock, &time));
	return ns_of(time);
}

static int64_t read_kernel(clockid_t clock)
{
	struct timespec time;

	CHECK_CALL((int)syscall(SYS_clock_gettime, clock, &time));
	return ns_of(time);
}

static void build(void)
{
	for (unsigned i = 0; i < CLOCKS; i++)
		before_ns[i] = read_vdso(clocks[i]);
}

static void verify(void)
{
	struct timeval day;
	int64_t start_ns, now_ns;

	CHECK(getauxval(AT_SYSINFO_EHDR));
	for (unsigned i = 0; i < CLOCKS; i++) {
		int64_t low_ns = read_kernel(clocks[i]), vdso_ns = read_vdso(clocks[i]);
		int64_t high_ns = read_kernel(clocks[i]);

		CHECK(low_ns <= vdso_ns && vdso_ns <= high_ns);
		/* The node of this test is the same machine. */
		CHECK(vdso_ns >= before_ns[i]);
	}
	CHECK_CALL(gettimeofday(&day, NULL));
	start_ns = read_vdso(CLOCK_MONOTONIC);
	do
		now_ns = read_vdso(CLOCK_MONOTONIC);
	while (read_kernel(CLOCK_MONOTONIC) < start_ns + 2000000);
	CHECK(now_ns > start_ns);
}

int main(void)
{
	return node_three_beats(build, verify);
}
