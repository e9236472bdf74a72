/* SPDX-License-Identifier: MIT */
/*
 * First and last instructions of the restorer.  Entered by restore_jump.S with the plan
 * in rdi and a stack of its own.
 */
#include <sys/syscall.h>

	.section .blob.start, "ax", @progbits
	.globl	rf_restorer_start
	.type	rf_restorer_start, @function
rf_restorer_start:
	xorl	%ebp, %ebp
	call	rf_restorer_run
	movq	%rax, %rsp
	movl	$SYS_rt_sigreturn, %eax
	syscall
	ud2
	.size	rf_restorer_start, . - rf_restorer_start
	.section .note.GNU-stack, "", @progbits
