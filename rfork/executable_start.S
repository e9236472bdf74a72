/* SPDX-License-Identifier: MIT */
/*
 * The bytes of rfork-start, for executable.c: with them a program that is linked with nothing but
 * this library can write executables on a machine where nothing is installed.
 */
	.section .rodata
	.globl	rf_start_blob, rf_start_blob_end
	.hidden	rf_start_blob, rf_start_blob_end
	.balign	16
rf_start_blob:
	.incbin	"rfork/start/start.bin"
rf_start_blob_end:
	.section .note.GNU-stack, "", @progbits
