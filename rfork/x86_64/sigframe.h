/* SPDX-License-Identifier: MIT */
/*
 * Signal frames as the kernel lays them out: what signal_frame.c, which builds one, and frames.c,
 * which finds those of the program, share.  Source: Linux, arch/x86/include/uapi/asm/sigcontext.h
 * and ucontext.h.
 */
#ifndef RF_X86_64_SIGFRAME_H
#define RF_X86_64_SIGFRAME_H

#include <stdint.h>

#define USER_CS 0x33
#define USER_SS 0x2b
#define UC_FP_XSTATE 0x1
#define UC_SIGCONTEXT_SS 0x2
#define UC_STRICT_RESTORE_SS 0x4
#define XSTATE_MAGIC1 0x46505853u
#define XSTATE_MAGIC2 0x46505845u
#define FXSAVE_BYTES 512u
#define XSAVE_MIN_BYTES 576u

struct fxsave {
	uint16_t control, status, tags, opcode;
	uint64_t instruction, operand;
	uint32_t mxcsr, mxcsr_mask;
	unsigned char registers[128 + 256]; /* x87, then xmm */
	unsigned char unused[48];
	uint32_t magic1;
	uint32_t extended_bytes;
	uint64_t features;
	uint32_t state_bytes;
	uint32_t padding[7];
};

struct kernel_sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct kernel_ucontext {
	uint64_t flags, link;
	uint64_t stack_address;
	uint32_t stack_flags, padding;
	uint64_t stack_bytes;
	struct kernel_sigcontext context;
	uint64_t signal_mask;
};

_Static_assert(sizeof(struct fxsave) == FXSAVE_BYTES, "FXSAVE area");
_Static_assert(sizeof(struct kernel_sigcontext) == 256, "struct sigcontext_64");

#endif
