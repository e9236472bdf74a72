/* SPDX-License-Identifier: MIT */
/*
 * Vector registers that are live while a signal handler moves the process.  The frame
 * on the stack is the old kernel's, of the old CPU's size; the new kernel takes the registers from it.
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
#define SWAP(load, register)                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     \
	load " 0*64(%[before]), %%" register "0\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
					     " 1*64(%[before]), %%" register "1\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
									     " 2*64(%[before]), %%" register "2\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
													     " 3*64(%[before]), %%" register "3\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																	     " 4*64(%[before]), %%" register "4\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																					     " 5*64(%[before]), %%" register "5\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																									     " 6*64(%[before]), %%" register "6\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																													     " 7*64(%[before]), %%" register "7\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																																	     " 8*64(%[before]), %%" register "8\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																																					     " 9*64(%[before]), %%" register "9\n" load                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
																																									     " 10*64(%[before]), %%" register "10\n" load                                                                                                                                                                                                                                                                                                                                                                                                                        \
																																													      " 11*64(%[before]), %%" register "11\n" load                                                                                                                                                                                                                                                                                                                                                                                       \
																																																	       " 12*64(%[before]), %%" register "12\n" load                                                                                                                                                                                                                                                                                                                                                      \
																																																						" 13*64(%[before]), %%" register "13\n" load                                                                                                                                                                                                                                                                                                                     \
																																																										 " 14*64(%[before]), %%" register "14\n" load                                                                                                                                                                                                                                                                                    \
																																																														  " 15*64(%[before]), %%" register "15\n"                                                                                                                                                                                                                                                        \
																																																																		   "syscall\n" load                                                                                                                                                                                                                                              \
																																																																		   " %%" register "0, 0*64(%[after])\n" load                                                                                                                                                                                                                     \
																																																																				  " %%" register "1, 1*64(%[after])\n" load                                                                                                                                                                                                      \
																																																																						 " %%" register "2, 2*64(%[after])\n" load                                                                                                                                                                                       \
																																																																								" %%" register "3, 3*64(%[after])\n" load                                                                                                                                                                        \
																																																																									       " %%" register "4, 4*64(%[after])\n" load                                                                                                                                                         \
																																																																											      " %%" register "5, 5*64(%[after])\n" load                                                                                                                                          \
																																																																													     " %%" register "6, 6*64(%[after])\n" load                                                                                                                           \
																																																																															    " %%" register "7, 7*64(%[after])\n" load                                                                                                            \
																																																																																	   " %%" register "8, 8*64(%[after])\n" load                                                                                             \
																																																																																			  " %%" register "9, 9*64(%[after])\n" load                                                                              \
																																																																																					 " %%" register "10, 10*64(%[after])\n" load                                                             \
																																																																																							" %%" register "11, 11*64(%[after])\n" load                                              \
																																																																																								       " %%" register "12, 12*64(%[after])\n" load                               \
																																																																																										      " %%" register "13, 13*64(%[after])\n" load                \
																																																																																												     " %%" register "14, 14*64(%[after])\n" load \
																																																																																														    " %%" register "15, 15*64(%[after])\n"

#define CLOBBERS                                                                                   \
	"rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",    \
		"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define RAISE(name, load, register)                                                                \
	static long name(void)                                                                     \
	{                                                                                          \
		long result = SYS_tgkill;                                                          \
		__asm__ volatile(                                                                  \
			SWAP(load, register)                                                       \
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
