/* SPDX-License-Identifier: MIT */
/*
 * Claim: MXCSR and the x87 control word (rounding, precision, masks) are kept, and they work.
 */
#define _GNU_SOURCE
#include <fenv.h>
#include <xmmintrin.h>

#include "tests/support/node.h"

static unsigned mxcsr_was;
static uint16_t control_was;
static volatile double one = 1.0, three = 3.0;
static volatile long double one_long = 1.0L, three_long = 3.0L;
__attribute__((noinline)) static double divide(void)
{
	return one / three;
}

__attribute__((noinline)) static long double divide_long(void)
{
	return one_long / three_long;
}

static double up;
static long double up_long;

static uint16_t control(void)
{
	uint16_t word;

	__asm__ volatile("fnstcw %0" : "=m"(word));
	return word;
}

static void build(void)
{
	double nearest = divide();
	uint16_t word = 0x0a7f; /* upward, 53 bits, all exceptions masked */

	_mm_setcsr((_mm_getcsr() & ~0x6000u) | _MM_ROUND_UP | 0x8000u /* flush to zero */);
	__asm__ volatile("fldcw %0" : : "m"(word));
	mxcsr_was = _mm_getcsr();
	control_was = control();
	up = divide();
	up_long = divide_long();
	CHECK(up > nearest);
	mxcsr_was = _mm_getcsr();
}

static void verify(void)
{
	/* The sticky exception flags are not preserved across calls. */
	CHECK_EQUAL(_mm_getcsr() & ~0x3fu, mxcsr_was & ~0x3fu);
	CHECK_EQUAL(control(), control_was);
	CHECK(divide() == up);
	CHECK(divide_long() == up_long);
}

int main(void)
{
	return node_three_beats(build, verify);
}
