/* SPDX-License-Identifier: MIT */
/*
 * Claim: rseq is registered for the child at the old address, so sched_getcpu() tells where it
 * runs now, not where the caller ran.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <sys/rseq.h>

#include "tests/support/node.h"

static volatile struct rseq *area(void)
{
	return (volatile struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void build(void)
{
	if (!__rseq_size)
		test_skip("glibc has not registered rseq");
}

static void verify(void)
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
		CHECK_EQUAL(area()->cpu_id, cpu);
		CHECK_EQUAL(area()->cpu_id_start, cpu);
		CHECK_EQUAL(sched_getcpu(), cpu);
		seen++;
	}
	CHECK(seen > 0);
}

int main(void)
{
	return node_three_beats(build, verify);
}
