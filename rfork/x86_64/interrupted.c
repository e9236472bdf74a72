/* SPDX-License-Identifier: MIT */
/*
 * The registers of a thread that was stopped anywhere, as the kernel shows them to a debugger or in
 * a core, become those with which it goes on.  Called by undump.
 * Source: Linux, arch/x86/kernel/signal.c.
 */
#define _GNU_SOURCE
#include "rfork/arch.h"

#define SYSCALL_BYTES 2u
/* What a call returns inside the kernel for one that is to be made again; include/linux/errno.h. */
#define RESTART_SYS 512
#define RESTART_ALWAYS 513
#define RESTART_WITHOUT_HANDLER 514
#define RESTART_BLOCK 516
#define INTERRUPTED 4 /* EINTR */
/* CF PF AF ZF SF DF OF NT AC ID, without TF and RF: what is about traps ended with the debugger. */
#define USER_EFLAGS UINT64_C(0x244cd5)
#define FIXED_EFLAGS UINT64_C(0x202) /* bit 1 and IF */

void rf_arch_leave_call(struct rf_image_registers *registers, bool is_signalled)
{
	bool repeats = false;

	if ((int64_t)registers->orig_rax < 0)
		return;
	switch (-(int64_t)registers->rax) {
	case RESTART_ALWAYS:
		repeats = true;
		break;
	case RESTART_SYS:
	case RESTART_WITHOUT_HANDLER:
		repeats = !is_signalled;
		break;
	case RESTART_BLOCK:
		break;
	default:
		registers->orig_rax = UINT64_MAX; /* it has returned */
		return;
	}
	registers->rax = repeats ? registers->orig_rax : (uint64_t)-INTERRUPTED;
	registers->rip -= repeats ? SYSCALL_BYTES : 0;
	registers->orig_rax = UINT64_MAX;
}

void rf_arch_leave_trap(struct rf_image_registers *registers)
{
	registers->eflags = (registers->eflags & USER_EFLAGS) | FIXED_EFLAGS;
}
