/* SPDX-License-Identifier: MIT */
/*
 * The vdso's functions after a move, through glibc, which has cached their addresses, and through
 * addresses that were looked up before.  Each clock is compared with the system call, asked
 * before and after: a clock that stands still, or is another machine's, is not between.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/rdma/traveller.h"
#include "tests/support/test.h"

#define NS_PER_S 1000000000ll
#define RANDOM_BYTES 32

/* linux/random.h of Linux 6.11 */
struct random_parameters {
	uint32_t bytes, protection, flags, reserved[13];
};

static struct {
	int (*clock_gettime)(clockid_t, struct timespec *);
	int (*clock_getres)(clockid_t, struct timespec *);
	int (*gettimeofday)(struct timeval *, void *);
	time_t (*time)(time_t *);
	long (*getcpu)(unsigned *, unsigned *, void *);
	ssize_t (*getrandom)(void *, size_t, unsigned, void *, size_t);
	void *random_state;
	size_t random_state_bytes;
} vdso;

/* An object pointer as a function pointer, which POSIX promises and ISO C does not know. */
static void look_up(void *vdso_object, const char *name, void *function)
{
	void *address = dlsym(vdso_object, name);

	memcpy(function, &address, sizeof(address));
}

/* Linux has it in the vdso from 6.11 on. */
static void make_random_state(void)
{
	struct random_parameters parameters = { .bytes = 0 };

	if (!vdso.getrandom)
		return;
	CHECK_EQUAL(vdso.getrandom(NULL, 0, 0, &parameters, ~0ul), 0);
	vdso.random_state_bytes = parameters.bytes;
	vdso.random_state = mmap(NULL, TEST_PAGE_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(vdso.random_state != MAP_FAILED && parameters.bytes <= TEST_PAGE_BYTES);
}

void vdso_remember(void)
{
	void *object = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	CHECK(object);
	look_up(object, "__vdso_clock_gettime", &vdso.clock_gettime);
	look_up(object, "__vdso_clock_getres", &vdso.clock_getres);
	look_up(object, "__vdso_gettimeofday", &vdso.gettimeofday);
	look_up(object, "__vdso_time", &vdso.time);
	look_up(object, "__vdso_getcpu", &vdso.getcpu);
	look_up(object, "__vdso_getrandom", &vdso.getrandom);
	CHECK(vdso.clock_gettime && vdso.gettimeofday && vdso.time && vdso.getcpu);
	make_random_state();
	vdso_check();
}

/* -- clocks --------------------------------------------------------------------------------- */

static int64_t ns_of(const struct timespec *time)
{
	return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static int64_t kernel_ns(clockid_t clock)
{
	struct timespec now;

	CHECK_CALL(syscall(SYS_clock_gettime, clock, &now));
	return ns_of(&now);
}

static void expect_between(const char *what, int64_t before, int64_t got, int64_t after)
{
	if (got < before || got > after)
		test_fail(__FILE__, __LINE__, "%s is %lld ns, the kernel's clock %lld to %lld ns",
			  what, (long long)got, (long long)before, (long long)after);
}

static void check_clock(const char *name, clockid_t clock)
{
	struct timespec now;
	int64_t before = kernel_ns(clock);

	CHECK_EQUAL(clock_gettime(clock, &now), 0);
	expect_between(name, before, ns_of(&now), kernel_ns(clock));
	before = kernel_ns(clock);
	CHECK_EQUAL(vdso.clock_gettime(clock, &now), 0);
	expect_between(name, before, ns_of(&now), kernel_ns(clock));
	if (vdso.clock_getres) {
		CHECK_EQUAL(vdso.clock_getres(clock, &now), 0);
		CHECK(now.tv_sec == 0 && now.tv_nsec > 0);
	}
}

static void check_microseconds(int (*function)(struct timeval *, void *))
{
	int64_t before = kernel_ns(CLOCK_REALTIME) / 1000 * 1000;
	struct timeval now;

	CHECK_EQUAL(function(&now, NULL), 0);
	expect_between("gettimeofday()", before, now.tv_sec * NS_PER_S + now.tv_usec * 1000,
		       kernel_ns(CLOCK_REALTIME));
}

static void check_seconds(time_t (*function)(time_t *))
{
	int64_t before = kernel_ns(CLOCK_REALTIME_COARSE) / NS_PER_S;
	time_t now = function(NULL);

	CHECK(now >= before && now <= kernel_ns(CLOCK_REALTIME_COARSE) / NS_PER_S);
}

static int glibc_gettimeofday(struct timeval *now, void *zone)
{
	return gettimeofday(now, zone);
}

/* A clock of which two readings differ; the kernel's tells when to give up. */
static void check_that_it_runs(void)
{
	int64_t end_ns = kernel_ns(CLOCK_MONOTONIC) + TEST_DEADLINE_MS * 1000000ll;
	struct timespec first, now;

	CHECK_EQUAL(vdso.clock_gettime(CLOCK_MONOTONIC, &first), 0);
	do {
		CHECK_EQUAL(vdso.clock_gettime(CLOCK_MONOTONIC, &now), 0);
		CHECK(kernel_ns(CLOCK_MONOTONIC) < end_ns);
	} while (ns_of(&now) - ns_of(&first) < 2000000);
}

/* -- the rest ------------------------------------------------------------------------------- */

static void check_processor(unsigned cpu)
{
	unsigned found = ~0u, node;

	CHECK_EQUAL(getcpu(&found, &node), 0);
	CHECK_EQUAL(found, cpu);
	found = ~0u;
	CHECK_EQUAL(vdso.getcpu(&found, &node, NULL), 0);
	CHECK_EQUAL(found, cpu);
}

static void check_processors(void)
{
	cpu_set_t allowed, one;
	unsigned seen = 0;

	CHECK_CALL(sched_getaffinity(0, sizeof(allowed), &allowed));
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK_CALL(sched_setaffinity(0, sizeof(one), &one));
		check_processor(cpu);
		seen++;
	}
	CHECK(seen > 0);
	CHECK_CALL(sched_setaffinity(0, sizeof(allowed), &allowed));
}

static void check_random(void)
{
	unsigned char a[RANDOM_BYTES] = "", b[RANDOM_BYTES] = "";

	CHECK_EQUAL(getrandom(a, sizeof(a), 0), sizeof(a));
	CHECK_EQUAL(getrandom(b, sizeof(b), 0), sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
	if (!vdso.getrandom)
		return;
	CHECK_EQUAL(vdso.getrandom(a, sizeof(a), 0, vdso.random_state, vdso.random_state_bytes),
		    sizeof(a));
	CHECK_EQUAL(vdso.getrandom(b, sizeof(b), 0, vdso.random_state, vdso.random_state_bytes),
		    sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)));
}

void vdso_check(void)
{
	check_clock("CLOCK_REALTIME", CLOCK_REALTIME);
	check_clock("CLOCK_MONOTONIC", CLOCK_MONOTONIC);
	check_clock("CLOCK_REALTIME_COARSE", CLOCK_REALTIME_COARSE);
	check_clock("CLOCK_MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE);
	check_clock("CLOCK_MONOTONIC_RAW", CLOCK_MONOTONIC_RAW);
	check_clock("CLOCK_BOOTTIME", CLOCK_BOOTTIME);
	check_clock("CLOCK_TAI", CLOCK_TAI);
	check_microseconds(glibc_gettimeofday);
	check_microseconds(vdso.gettimeofday);
	check_seconds(time);
	check_seconds(vdso.time);
	check_that_it_runs();
	check_processors();
	check_random();
}
