/* SPDX-License-Identifier: MIT */
/*
 * First and last instructions of the restorer.  Entered by restore_jump.S with the plan
 * in rdi and a stack of its own.
 */
#include <sys/syscall.h>

/* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM: a thread as pthread_create(3) makes it; what it
 * has of its own, its steps set. */
#define CLONE_FLAGS 0x50f00

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

	/* rf_restorer_clone(plan, thread, stack top): the new thread's id or a negative errno.  What
	 * survives a system call carries the arguments over. */
	.text
	.globl	rf_restorer_clone
	.type	rf_restorer_clone, @function
rf_restorer_clone:
	movq	%rdi, %r8
	movq	%rsi, %r9
	movq	%rdx, %rsi
	movl	$CLONE_FLAGS, %edi
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	movl	$SYS_clone, %eax
	syscall
	testq	%rax, %rax
	jz	1f
	ret
1:	xorl	%ebp, %ebp
	movq	%r8, %rdi
	movq	%r9, %rsi
	call	rf_restorer_run_thread
	movq	%rax, %rsp
	movl	$SYS_rt_sigreturn, %eax
	syscall
	ud2
	.size	rf_restorer_clone, . - rf_restorer_clone
	.section .note.GNU-stack, "", @progbits
