/* SPDX-License-Identifier: MIT */
/*
 * Claim: threads that undump -p has interrupted go on in the executable, or on a node that restarts
 * it, with every register of every class that the processor has, each thread with its own: ZMM 0 to 31 (or YMM, or XMM) whole, masks
 * K0 to K7, the x87 stack, MXCSR with its flags, general registers, and the direction flag.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/checkpoint.h"
#include "tests/support/node.h"
#include "tests/support/undump.h"

#define RIGHT 23
#define GENERAL 5
#define MXCSR_DIVIDED_BY_ZERO 0x5f84u /* rounds upwards, and a flag is set */
#define DIRECTION 0x400u

struct registers {
	unsigned char vectors[32][64];
	uint64_t masks[8];
	unsigned char x87[8][16];
	uint32_t mxcsr, unused;
	uint64_t flags;
	uint64_t general[GENERAL]; /* rdx, r8, r9, r10, r15 */
};

_Static_assert(offsetof(struct registers, masks) == 2048, "the instructions below");
_Static_assert(offsetof(struct registers, x87) == 2112, "the instructions below");
_Static_assert(offsetof(struct registers, mxcsr) == 2240, "the instructions below");
_Static_assert(offsetof(struct registers, flags) == 2248, "the instructions below");
_Static_assert(offsetof(struct registers, general) == 2256, "the instructions below");

/* What one thread has before and afterwards. */
struct witness {
	struct registers was, is;
	int is_ready; /* they are in its registers */
	int signal;   /* that it then sends to the process; 0 = none */
};

static struct witness witnesses[2]; /* the main thread's first */
static pid_t home;

/* -- the instructions -------------------------------------------------------------------------- */

#define EACH_OF_8(do)                                                                              \
	do                                                                                         \
	(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7)
#define EACH_OF_16(do) EACH_OF_8(do) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15)
#define EACH_OF_32(do)                                                                             \
	EACH_OF_16(do)                                                                             \
	do                                                                                         \
	(16) do(17) do(18) do(19) do(20) do(21) do(22) do(23) do(24) do(25) do(26) do(27) do(      \
		28) do(29) do(30) do(31)

#define LOAD_ZMM(n) "vmovdqu64 " #n "*64(%[was]), %%zmm" #n "\n"
#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%[is])\n"
#define LOAD_MASK(n) "kmovq 2048+" #n "*8(%[was]), %%k" #n "\n"
#define STORE_MASK(n) "kmovq %%k" #n ", 2048+" #n "*8(%[is])\n"
#define LOAD_YMM(n) "vmovdqu " #n "*64(%[was]), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", " #n "*64(%[is])\n"
#define LOAD_XMM(n) "movdqu " #n "*64(%[was]), %%xmm" #n "\n"
#define STORE_XMM(n) "movdqu %%xmm" #n ", " #n "*64(%[is])\n"
#define LOAD_X87(n) "fldt 2112+16*" #n "(%[was])\n"
#define STORE_X87(n) "fstpt 2112+16*(7-" #n ")(%[is])\n"

/* From loading them to storing them no instruction uses one of them: the thread asks for its
 * process's id until that is another. */
#define STAND(load, store)                                                                         \
	__asm__ volatile("fninit\n" EACH_OF_8(LOAD_X87) "ldmxcsr 2240(%[was])\n" load              \
							"movq 2256(%[was]), %%rdx\n"               \
							"movq 2264(%[was]), %%r8\n"                \
							"movq 2272(%[was]), %%r9\n"                \
							"movq 2280(%[was]), %%r10\n"               \
							"movq 2288(%[was]), %%r15\n"               \
							"std\n"                                    \
							"movl $1, %[ready]\n"                      \
							"movl %[signal], %%esi\n"                  \
							"movl %[home], %%edi\n"                    \
							"movl %[kill], %%eax\n"                    \
							"syscall\n"                                \
							"1: movl %[getpid], %%eax\n"               \
							"syscall\n"                                \
							"cmpl %[home], %%eax\n"                    \
							"je 1b\n"                                  \
							"pushfq\n"                                 \
							"popq 2248(%[is])\n"                       \
							"cld\n"                                    \
							"movq %%rdx, 2256(%[is])\n"                \
							"movq %%r8, 2264(%[is])\n"                 \
							"movq %%r9, 2272(%[is])\n"                 \
							"movq %%r10, 2280(%[is])\n"                \
							"movq %%r15, 2288(%[is])\n" store          \
							"stmxcsr 2240(%[is])\n" EACH_OF_8(         \
								STORE_X87) "ldmxcsr %[mxcsr]\n"    \
			 : [ready] "+m"(witness->is_ready)                                         \
			 : [was] "b"(&witness->was), [is] "r"(is), [signal] "m"(witness->signal),  \
			   [home] "m"(home), [mxcsr] "m"(usual_mxcsr), [kill] "i"(SYS_kill),       \
			   [getpid] "i"(SYS_getpid)                                                \
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r15",     \
			   "memory", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",      \
			   "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",       \
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",     \
			   "xmm14", "xmm15")

static const uint32_t usual_mxcsr = 0x1f80;

__attribute__((noinline, target("avx512f,avx512bw"))) static void
stand_with_zmm(struct witness *witness)
{
	register struct registers *is __asm__("r12") = &witness->is;

	STAND(EACH_OF_32(LOAD_ZMM) EACH_OF_8(LOAD_MASK),
	      EACH_OF_32(STORE_ZMM) EACH_OF_8(STORE_MASK) "vzeroupper\n");
}

__attribute__((noinline, target("avx"))) static void stand_with_ymm(struct witness *witness)
{
	register struct registers *is __asm__("r12") = &witness->is;

	STAND(EACH_OF_16(LOAD_YMM), EACH_OF_16(STORE_YMM) "vzeroupper\n");
}

__attribute__((noinline)) static void stand_with_xmm(struct witness *witness)
{
	register struct registers *is __asm__("r12") = &witness->is;

	STAND(EACH_OF_16(LOAD_XMM), EACH_OF_16(STORE_XMM));
}

static bool has_masks(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static void stand(struct witness *witness)
{
	if (has_masks())
		stand_with_zmm(witness);
	else if (__builtin_cpu_supports("avx"))
		stand_with_ymm(witness);
	else
		stand_with_xmm(witness);
}

/* -- what was and what is ---------------------------------------------------------------------- */

static void choose(struct witness *witness, uint64_t seed)
{
	struct registers *was = &witness->was;

	test_fill(was, sizeof(*was), seed);
	was->mxcsr = MXCSR_DIVIDED_BY_ZERO;
	for (unsigned i = 0; i < 8; i++) { /* numbers, of which loading one changes no bit */
		was->x87[i][7] |= 0x80;
		was->x87[i][8] &= 0x7f;
		was->x87[i][9] = 0x40;
	}
}

static unsigned count_lost(const char *what, const void *was, const void *is, size_t each,
			   size_t stride, unsigned count)
{
	unsigned lost = 0;

	for (unsigned i = 0; i < count; i++)
		if (memcmp((const char *)was + i * stride, (const char *)is + i * stride, each)) {
			dprintf(2, "%s %u is another\n", what, i);
			lost++;
		}
	return lost;
}

static unsigned look(const struct witness *witness)
{
	const struct registers *was = &witness->was, *is = &witness->is;
	bool is_wide = has_masks();
	size_t bytes = is_wide ? 64 : __builtin_cpu_supports("avx") ? 32 : 16;

	return count_lost("vector register", was->vectors, is->vectors, bytes, 64,
			  is_wide ? 32 : 16) +
	       count_lost("mask", was->masks, is->masks, 8, 8, is_wide ? 8 : 0) +
	       count_lost("x87 register", was->x87, is->x87, 10, 16, 8) +
	       count_lost("MXCSR", &was->mxcsr, &is->mxcsr, 4, 4, 1) +
	       count_lost("general register", was->general, is->general, 8, 8, GENERAL) +
	       !(is->flags & DIRECTION);
}

/* -- the process ------------------------------------------------------------------------------- */

static void *be_second(void *witness)
{
	stand(witness);
	return NULL;
}

/* All of its threads have their registers when it stops. */
_Noreturn static void live(void)
{
	pthread_t second;

	home = getpid();
	choose(&witnesses[0], 1);
	choose(&witnesses[1], 2);
	witnesses[0].signal = SIGSTOP;
	CHECK_EQUAL(pthread_create(&second, NULL, be_second, &witnesses[1]), 0);
	while (!__atomic_load_n(&witnesses[1].is_ready, __ATOMIC_ACQUIRE))
		sched_yield();
	stand(&witnesses[0]);
	CHECK_EQUAL(pthread_join(second, NULL), 0);
	_exit(look(&witnesses[0]) + look(&witnesses[1]) ? 1 : RIGHT);
}

static void expect_right(const struct undump_result *result)
{
	if (result->status != RIGHT)
		test_fail(__FILE__, __LINE__, "exit status %d: %s", result->status, result->text);
}

int main(void)
{
	static struct undump_result result;
	struct node node;
	const char *path;

	test_begin();
	path = checkpoint_path("app");
	undump_live(live, path);
	undump_run(&result, path, NULL);
	expect_right(&result);
	node_start(&node, NULL);
	undump_run(&result, test_build_path("tools/undump"), path, "--to", node.host, NULL);
	expect_right(&result);
	node_stop(&node);
	undump_remove(path);
	checkpoint_clean(NULL, 0);
	return test_end();
}
