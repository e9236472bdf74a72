/* SPDX-License-Identifier: MIT */
/*
 * Both ends of an rt_sigreturn, for test_signal_frame.c: enter_frame() leaves through a frame, and
 * landing, the frame's rip, stores every register before anything can change it.  Must not
 * touch the stack before rsp is stored.
 */

/* void enter_frame(uint64_t stack): the kernel takes the frame from there. */
	.text
	.globl	enter_frame
	.hidden	enter_frame
	.type	enter_frame, @function
enter_frame:
	movq	%rdi, %rsp
	movl	$15, %eax			/* rt_sigreturn */
	syscall
	ud2
	.size	enter_frame, . - enter_frame

/* Stores registers in the order of struct landed, then calls landed(). */
	.globl	landing
	.hidden	landing
	.type	landing, @function
landing:
	movq	%r15, landed_registers+0(%rip)
	movq	%r14, landed_registers+8(%rip)
	movq	%r13, landed_registers+16(%rip)
	movq	%r12, landed_registers+24(%rip)
	movq	%rbp, landed_registers+32(%rip)
	movq	%rbx, landed_registers+40(%rip)
	movq	%r11, landed_registers+48(%rip)
	movq	%r10, landed_registers+56(%rip)
	movq	%r9, landed_registers+64(%rip)
	movq	%r8, landed_registers+72(%rip)
	movq	%rax, landed_registers+80(%rip)
	movq	%rcx, landed_registers+88(%rip)
	movq	%rdx, landed_registers+96(%rip)
	movq	%rsi, landed_registers+104(%rip)
	movq	%rdi, landed_registers+112(%rip)
	movq	%rsp, landed_registers+120(%rip)
	leaq	-128(%rsp), %rsp
	pushfq
	popq	landed_registers+128(%rip)
	pushq	$2				/* C code wants DF and AC clear */
	popfq
	movl	$-1, %eax
	movl	$-1, %edx
	xsave64	landed_state(%rip)
	andq	$-16, %rsp
	call	landed
	ud2
	.size	landing, . - landing

	.section .note.GNU-stack, "", @progbits
