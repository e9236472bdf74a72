/* SPDX-License-Identifier: MIT */
/*
 * Entry point of an executable that restarts itself.  The kernel passes argc, argv, the
 * environment and the auxiliary vector on the stack; source: System V ABI, AMD64 supplement, 3.4.
 */
	.text
	.globl	_start
	.type	_start, @function
_start:
	xorl	%ebp, %ebp
	movq	%rsp, %rdi
	andq	$-16, %rsp
	call	rf_start_main
	ud2
	.size	_start, . - _start

	/* What leads to the records (doc/image-format.txt, 18); filled in the file, when all
	 * else is there. */
	.section .note.rfork, "a", @note
	.balign	4
	.long	6
	.long	64
	.long	1
	.asciz	"RFORK"
	.balign	4
	.globl	rf_start_note
	.hidden	rf_start_note
rf_start_note:
	.zero	64

	/* options.h */
	.balign	4
	.long	6
	.long	8
	.long	2
	.asciz	"RFORK"
	.balign	4
	.globl	rf_start_options
	.hidden	rf_start_options
rf_start_options:
	.zero	8
	.section .note.GNU-stack, "", @progbits
