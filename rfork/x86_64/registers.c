/* SPDX-License-Identifier: MIT */
/*
 * The registers of the captured thread, from what capture.S saved.  Called in the
 * frozen ghost.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/sys.h"

_Static_assert(offsetof(struct rf_arch_context, rsp) == 48, "capture.S");
_Static_assert(offsetof(struct rf_arch_context, rip) == 56, "capture.S");
_Static_assert(offsetof(struct rf_arch_context, mxcsr) == 64, "capture.S");
_Static_assert(offsetof(struct rf_arch_context, x87_control) == 68, "capture.S");

/* Selectors of 64-bit user code and data, and flags: interrupts on and bit 1, which is
 * always set.  Source: Linux, arch/x86/include/asm/segment.h. */
#define USER_CS 0x33
#define USER_DS 0x2b
#define USER_EFLAGS 0x202

void rf_arch_thread_from_context(struct rf_image_thread *thread,
				 const struct rf_arch_context *context)
{
	struct rf_image_registers *registers = &thread->registers;

	memset(registers, 0, sizeof(*registers));
	registers->rbx = context->rbx;
	registers->rbp = context->rbp;
	registers->r12 = context->r12;
	registers->r13 = context->r13;
	registers->r14 = context->r14;
	registers->r15 = context->r15;
	registers->rsp = context->rsp;
	registers->rip = context->rip;
	registers->orig_rax = UINT64_MAX; /* not in a system call */
	registers->cs = USER_CS;
	registers->ss = USER_DS;
	registers->eflags = USER_EFLAGS;
	rf_syscall(SYS_arch_prctl, ARCH_GET_FS, &registers->fs_base);
	rf_syscall(SYS_arch_prctl, ARCH_GET_GS, &registers->gs_base);
	thread->mxcsr = context->mxcsr;
	thread->x87_control = context->x87_control;
}
