/* SPDX-License-Identifier: MIT */
/*
 * Another thread of a frozen process, or another process with its memory, on a stack outside the
 * image: without a C library's knowledge of it.  Called by holder_write.c and ghost_helper.c.
 * Contract in rfork/arch.h.
 */

/* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID, CHILD_CLEARTID */
#define CLONE_FLAGS 0x350f00

	.text
	.globl	rf_arch_start_thread
	.hidden	rf_arch_start_thread
	.type	rf_arch_start_thread, @function
rf_arch_start_thread:
	.cfi_startproc
	/* rdi stack top, rsi entry, rdx its argument, rcx the thread's id while it runs */
	leaq	-16(%rdi), %rdi
	movq	%rsi, 0(%rdi)
	movq	%rdx, 8(%rdi)
	movq	%rdi, %rsi
	movl	$CLONE_FLAGS, %edi
	movq	%rcx, %rdx
	movq	%rcx, %r10
	xorl	%r8d, %r8d
	movl	$56, %eax		/* clone */
	syscall
	testq	%rax, %rax
	jz	1f
	ret
1:	.cfi_undefined rip
	xorl	%ebp, %ebp
	popq	%rax
	popq	%rdi
	call	*%rax
	movl	$60, %eax		/* exit: of this thread */
	xorl	%edi, %edi
	syscall
	hlt
	.cfi_endproc
	.size	rf_arch_start_thread, . - rf_arch_start_thread
	.globl	rf_arch_start_process
	.hidden	rf_arch_start_process
	.type	rf_arch_start_process, @function
rf_arch_start_process:
	.cfi_startproc
	/* rdi flags, rsi stack top, rdx entry, rcx its argument */
	leaq	-16(%rsi), %rsi
	movq	%rdx, 0(%rsi)
	movq	%rcx, 8(%rsi)
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	xorl	%r8d, %r8d
	movl	$56, %eax		/* clone */
	syscall
	testq	%rax, %rax
	jz	1b
	ret
	.cfi_endproc
	.size	rf_arch_start_process, . - rf_arch_start_process
	.section .note.GNU-stack, "", @progbits
