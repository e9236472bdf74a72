/* SPDX-License-Identifier: MIT */
/*
 * The capture point: saves what a call preserves, then leaves the stack of the
 * process that is captured, until the continuation returns.  Called by ghost.c only.  Must
 * write nothing but *context and the new stack: from here on the image is frozen.
 *
 * Contract in rfork/arch.h; offsets are asserted in registers.c.
 */

	.text
	.globl	rf_arch_capture
	.hidden	rf_arch_capture
	.type	rf_arch_capture, @function
rf_arch_capture:
	.cfi_startproc
	/* rdi context, rsi stack top, rdx continuation, rcx its argument */
	movq	%rbx, 0(%rdi)
	movq	%rbp, 8(%rdi)
	movq	%r12, 16(%rdi)
	movq	%r13, 24(%rdi)
	movq	%r14, 32(%rdi)
	movq	%r15, 40(%rdi)
	leaq	8(%rsp), %rax		/* as it is after the return */
	movq	%rax, 48(%rdi)
	movq	(%rsp), %rax
	movq	%rax, 56(%rdi)
	stmxcsr	64(%rdi)
	fnstcw	68(%rdi)
	movq	%rdi, %rbx
	movq	%rsi, %rsp
	movq	%rcx, %rdi
	xorl	%ebp, %ebp
	call	*%rdx
	/* nothing came of it: the old stack is as it was, with our return address on top */
	movq	48(%rbx), %rsp
	subq	$8, %rsp
	movq	8(%rbx), %rbp
	movq	16(%rbx), %r12
	movq	24(%rbx), %r13
	movq	32(%rbx), %r14
	movq	40(%rbx), %r15
	movq	0(%rbx), %rbx
	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	rf_arch_capture, . - rf_arch_capture
	.section .note.GNU-stack, "", @progbits
