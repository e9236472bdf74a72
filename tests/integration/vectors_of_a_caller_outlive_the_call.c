/* SPDX-License-Identifier: MIT */
/*
 * Claim: nothing that lives in vector registers or masks where a program calls rfork(),
 * rfork_move() or rfork_undump() is lost, though an image of a call has none of them: they are the
 * caller's to save, and the compiler has.  More values live across the call than there are registers.
 */
#define _GNU_SOURCE
#include <immintrin.h>
#include <unistd.h>

#include "tests/support/node.h"
#include "tests/support/restart.h"

#define VALUES 40
#define MASKS 12

static struct node node;
static const char *executable;
static volatile double seeds[VALUES][8]; /* of which the compiler knows nothing */
static volatile uint64_t bits[MASKS];

enum way { BY_FORK, BY_RFORK, BY_MOVE, BY_UNDUMP };

/* 0 where the process goes on elsewhere, 1 at home. */
__attribute__((noinline)) static int go(enum way way)
{
	pid_t pid = 0;
	int result;

	if (way == BY_MOVE)
		return CHECK_CALL(rfork_move(node.host));
	if (way == BY_UNDUMP) {
		result = rfork_undump(executable);
		CHECK(result >= 0);
		return result;
	}
	pid = way == BY_FORK ? CHECK_CALL(fork()) : node_move_returns_twice(&node, 0);
	if (!pid)
		return 0;
	test_expect_exit(pid, RESTART_RIGHT);
	return 1;
}

static void choose(void)
{
	for (unsigned i = 0; i < VALUES; i++)
		for (unsigned j = 0; j < 8; j++)
			seeds[i][j] = 1000 * i + j + 0.5;
	for (unsigned i = 0; i < MASKS; i++)
		bits[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
}

/* -- with AVX-512: 40 values in 32 registers, 12 masks in 7 ------------------------------------ */

__attribute__((target("avx512f,avx512bw"))) static void hold_zmm(enum way way)
{
	__m512d values[VALUES];
	__mmask64 masks[MASKS];
	bool is_right = true;

#pragma GCC unroll 40
	for (unsigned i = 0; i < VALUES; i++)
		values[i] = _mm512_add_pd(_mm512_loadu_pd((const void *)seeds[i]),
					  _mm512_set1_pd(seeds[i][0]));
#pragma GCC unroll 12
	for (unsigned i = 0; i < MASKS; i++)
		masks[i] = _kxor_mask64(_cvtu64_mask64(bits[i]), _cvtu64_mask64(bits[0]));
	if (go(way))
		return;
#pragma GCC unroll 40
	for (unsigned i = 0; i < VALUES; i++)
		is_right &=
			_mm512_cmpneq_pd_mask(values[i],
					      _mm512_add_pd(_mm512_loadu_pd((const void *)seeds[i]),
							    _mm512_set1_pd(seeds[i][0]))) == 0;
#pragma GCC unroll 12
	for (unsigned i = 0; i < MASKS; i++)
		is_right &= _cvtmask64_u64(masks[i]) == (bits[i] ^ bits[0]);
	_exit(is_right ? RESTART_RIGHT : 1);
}

/* -- with what every processor has ------------------------------------------------------------- */

static void hold_xmm(enum way way)
{
	__m128d values[VALUES];
	bool is_right = true;

#pragma GCC unroll 40
	for (unsigned i = 0; i < VALUES; i++)
		values[i] =
			_mm_add_pd(_mm_loadu_pd((const void *)seeds[i]), _mm_set1_pd(seeds[i][0]));
	if (go(way))
		return;
#pragma GCC unroll 40
	for (unsigned i = 0; i < VALUES; i++)
		is_right &= _mm_movemask_pd(_mm_cmpneq_pd(
				    values[i], _mm_add_pd(_mm_loadu_pd((const void *)seeds[i]),
							  _mm_set1_pd(seeds[i][0])))) == 0;
	_exit(is_right ? RESTART_RIGHT : 1);
}

/* -- the ways ---------------------------------------------------------------------------------- */

static void hold(enum way way)
{
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"))
		hold_zmm(way);
	else
		hold_xmm(way);
}

static void go_aside(enum way way, int code)
{
	pid_t pid = CHECK_CALL(fork());

	if (!pid) {
		hold(way);
		_exit(0);
	}
	test_expect_exit(pid, code);
}

int main(void)
{
	static const char *const names[] = { "app" };
	static char path[128];

	test_begin();
	choose();
	executable = strcpy(path, checkpoint_path("app"));
	node_start(&node, NULL);
	hold(BY_FORK);
	hold(BY_RFORK);
	go_aside(BY_MOVE, RESTART_RIGHT);
	node_stop(&node);
	go_aside(BY_UNDUMP, 0);
	restart_expect(path);
	checkpoint_clean(names, 1);
	return test_end();
}
