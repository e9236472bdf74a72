/* SPDX-License-Identifier: MIT */
/*
 * Where a signal handler of the ghost returns to.  The C library's own is a part of the memory that the
 * ghost gives back.  Contract in rfork/arch.h.
 */

	.text
	.globl	rf_arch_signal_return
	.hidden	rf_arch_signal_return
	.type	rf_arch_signal_return, @function
rf_arch_signal_return:
	movl	$15, %eax		/* rt_sigreturn */
	syscall
	.size	rf_arch_signal_return, . - rf_arch_signal_return
	.section .note.GNU-stack, "", @progbits
