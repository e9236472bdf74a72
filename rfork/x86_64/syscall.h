/* SPDX-License-Identifier: MIT */
/*
 * System calls as the kernel answers them: no errno, no cancellation, no libc.
 * Used through sys.h by the frozen ghost and by the restorer, which have neither.
 */
#ifndef RF_X86_64_SYSCALL_H
#define RF_X86_64_SYSCALL_H

#include <stdint.h>

/* Returns the kernel's answer: a result, or a negative errno in -4095 to -1.
 * Source: System V ABI, AMD64 supplement, A.2.1. */
static inline long rf_arch_syscall6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
