/* SPDX-License-Identifier: MIT */
/*
 * The last instructions of the shell, and the restorer's bytes.  Contract in
 * rfork/arch.h.
 */

	.text
	.globl	rf_arch_jump
	.hidden	rf_arch_jump
	.type	rf_arch_jump, @function
rf_arch_jump:
	/* rdi entry, rsi plan, rdx stack top */
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsp
	jmp	*%rax
	.size	rf_arch_jump, . - rf_arch_jump

	.section .rodata
	.globl	rf_restorer_blob, rf_restorer_blob_end
	.hidden	rf_restorer_blob, rf_restorer_blob_end
	.balign	16
rf_restorer_blob:
	.incbin	"rfork/restorer/restorer.bin"
rf_restorer_blob_end:
	.section .note.GNU-stack, "", @progbits
