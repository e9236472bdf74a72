/* SPDX-License-Identifier: MIT */
/*
 * Vector registers that are live while a signal handler moves the process.  The frame on the stack
 * is the old kernel's, of the old CPU's size; the new kernel takes the registers from it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <sys/platform/x86.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/rdma/traveller.h"
#include "tests/support/test.h"

#define REGISTERS 16
#define WIDTH_BYTES 64

static struct {
	unsigned char before[REGISTERS][WIDTH_BYTES], after[REGISTERS][WIDTH_BYTES];
} noise __attribute__((aligned(64)));

static void (*move_now)(void);

/* Loads 16 registers, sends itself SIGUSR1, and stores them again, with no call in between. */
/* clang-format off */
#define EACH(op, move, kind)                                                                       \
	op(move, kind, 0) op(move, kind, 1) op(move, kind, 2) op(move, kind, 3)                    \
	op(move, kind, 4) op(move, kind, 5) op(move, kind, 6) op(move, kind, 7)                    \
	op(move, kind, 8) op(move, kind, 9) op(move, kind, 10) op(move, kind, 11)                  \
	op(move, kind, 12) op(move, kind, 13) op(move, kind, 14) op(move, kind, 15)
#define LOAD(move, kind, n) move " " #n "*64(%[before]), %%" kind #n "\n"
#define STORE(move, kind, n) move " %%" kind #n ", " #n "*64(%[after])\n"
#define SWAP(move, kind) EACH(LOAD, move, kind) "syscall\n" EACH(STORE, move, kind)
/* clang-format on */

#define CLOBBERS                                                                                   \
	"rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",    \
		"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define RAISE(name, move, kind)                                                                    \
	static long name(void)                                                                     \
	{                                                                                          \
		long result = SYS_tgkill;                                                          \
		__asm__ volatile(                                                                  \
			SWAP(move, kind)                                                           \
			: "+a"(result)                                                             \
			: "D"((long)getpid()), "S"((long)gettid()),                                \
			  "d"((long)SIGUSR1), [before] "r"(noise.before), [after] "r"(noise.after) \
			: CLOBBERS);                                                               \
		return result;                                                                     \
	}

RAISE(raise_with_sse, "movups", "xmm")
RAISE(raise_with_avx, "vmovups", "ymm")
RAISE(raise_with_avx512, "vmovups", "zmm")

/* What the C library may use here counts: GLIBC_TUNABLES may have masked what CPUID has. */
static size_t width_bytes(void)
{
	if (CPU_FEATURE_ACTIVE(AVX512F))
		return 64;
	return CPU_FEATURE_ACTIVE(AVX) ? 32 : 16;
}

const char *vectors_name(void)
{
	return width_bytes() == 64 ? "AVX-512" : width_bytes() == 32 ? "AVX" : "SSE";
}

static void handle(int signal)
{
	(void)signal;
	move_now();
}

bool vectors_survive(void (*move)(void))
{
	struct sigaction action = { .sa_handler = handle };
	size_t width = width_bytes();
	long result;

	move_now = move;
	CHECK_CALL(sigaction(SIGUSR1, &action, NULL));
	test_fill(noise.before, sizeof(noise.before), 5);
	memset(noise.after, 0, sizeof(noise.after));
	if (width == 64)
		result = raise_with_avx512();
	else
		result = width == 32 ? raise_with_avx() : raise_with_sse();
	CHECK_EQUAL(result, 0);
	for (unsigned i = 0; i < REGISTERS; i++)
		if (memcmp(noise.before[i], noise.after[i], width))
			return false;
	return true;
}
