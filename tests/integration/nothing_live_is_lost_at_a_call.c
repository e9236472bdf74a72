/* SPDX-License-Identifier: MIT */
/*
 * Claim: at a call everything of the floating-point and vector units that the ABI preserves is kept
 * by rfork(), rfork_move() and a restart: the control bits of MXCSR and the x87 control word,
 * and that the x87 stack is empty (so that neither it nor MMX is in use), the direction flag is
 * clear, and no tile of AMX is in use.  Vector and mask registers no call preserves: the caller
 * itself has saved what lives in them, and finds it again.
 *
 * Source: System V ABI, AMD64 supplement, 3.2.1 and 3.2.3.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <immintrin.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/mover.h"
#include "tests/support/restart.h"

#if !defined(__x86_64__)
#error "the ABI of this architecture is not known to the test"
#endif

#define MXCSR_CONTROL 0xffc0u /* the rest are sticky flags, which a call may set */
#define MXCSR_OWN 0xdf80u     /* towards minus infinity, denormals flushed, all masked */
#define X87_OWN 0x067fu	      /* towards minus infinity, 53 bits, all masked */
#define X87_EMPTY 0xffffu     /* all tags */
#define DIRECTION (UINT64_C(1) << 10)
#define LANES 16

struct unit {
	uint32_t mxcsr;
	uint16_t control, tags;
	uint64_t flags;
	uint64_t in_use; /* XINUSE: components that are not in their initial state */
};

struct x87_environment {
	uint16_t control, reserved1, status, reserved2, tags, reserved3;
	uint32_t rest[4];
};

/* XGETBV with 1 tells which components are in use, where the CPU can. */
static bool can_ask_for_use(void)
{
	unsigned a, b, c, d;

	return __get_cpuid_count(13, 1, &a, &b, &c, &d) && a & 4;
}

static uint64_t ask_for_use(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
	return (uint64_t)high << 32 | low;
}

static struct unit look(void)
{
	struct x87_environment environment;
	struct unit unit;

	__asm__ volatile("fnstenv %0\n\tfldenv %0" : "=m"(environment));
	unit.control = environment.control;
	unit.tags = environment.tags;
	unit.mxcsr = _mm_getcsr();
	unit.flags = __builtin_ia32_readeflags_u64();
	unit.in_use = can_ask_for_use() ? ask_for_use() : 0;
	return unit;
}

/* -- the whole unit, as a call finds it -------------------------------------------------------- */

static void set_unit(void)
{
	const uint16_t control = X87_OWN;

	__asm__ volatile("fldcw %0" : : "m"(control));
	_mm_setcsr(MXCSR_OWN);
}

static const char *judge(const struct unit *unit)
{
	const uint64_t tiles = UINT64_C(3) << 17;

	if ((unit->mxcsr & MXCSR_CONTROL) != (MXCSR_OWN & MXCSR_CONTROL))
		return "the control bits of MXCSR are others";
	if (unit->control != X87_OWN)
		return "the x87 control word is another";
	if (unit->tags != X87_EMPTY)
		return "the x87 stack is not empty";
	if (unit->flags & DIRECTION)
		return "the direction flag is set";
	return unit->in_use & tiles ? "tiles of AMX are in use" : NULL;
}

/* -- what the compiler keeps around a call ----------------------------------------------------- */

static volatile double seed = 1.25;

/* Values that live in vector registers and x87 registers, around what must be a call. */
__attribute__((noinline)) static bool keeps_values(int (*call)(void))
{
	double lanes[LANES], sums[LANES];
	long double precise = (long double)seed / 3;
	int result;

	for (int i = 0; i < LANES; i++)
		lanes[i] = seed * (i + 1);
	result = call();
	for (int i = 0; i < LANES; i++)
		sums[i] = lanes[i] - seed * (i + 1);
	for (int i = 0; i < LANES; i++)
		if (sums[i] != 0)
			return false;
	return result == 0 && precise == (long double)seed / 3;
}

/* -- the ways ---------------------------------------------------------------------------------- */

static struct node node;
static struct unit after;

static int fork_there(void)
{
	pid_t pid = node_move_returns_twice(&node, 0);

	after = look();
	if (pid > 0) {
		/* the caller is as it was, too */
		CHECK(!judge(&after));
		test_expect_exit(pid, 0);
		return 0;
	}
	return 0;
}

static int move_there(void)
{
	mover_go(&node);
	after = look();
	return 0;
}

static int restart(void)
{
	restart_point();
	after = look();
	return 0;
}

static int keep(const char *way, int (*call)(void))
{
	const char *fault;
	bool has_values;

	set_unit();
	has_values = keeps_values(call);
	fault = judge(&after);
	if (fault || !has_values)
		dprintf(STDERR_FILENO, "%s: %s\n", way, fault ? fault : "values are others");
	return fault || !has_values;
}

static int body_of_move(const struct node *unused)
{
	(void)unused;
	return keep("move", move_there);
}

static int body_of_restart(void)
{
	return keep("restart", restart) ? 1 : RESTART_RIGHT;
}

static int body_of_fork(const struct node *unused)
{
	(void)unused;
	return keep("rfork", fork_there);
}

int main(void)
{
	static const char *const names[] = { "app" };
	const char *path;

	test_begin();
	node_start(&node, NULL);
	mover_run(&node, body_of_fork);
	mover_run(&node, body_of_move);
	node_stop(&node);
	path = checkpoint_path("app");
	restart_write(path, body_of_restart);
	restart_expect(path);
	checkpoint_clean(names, 1);
	return test_end();
}
