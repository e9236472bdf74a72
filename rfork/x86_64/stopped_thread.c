/* SPDX-License-Identifier: MIT */
/*
 * The registers of a thread that another process has stopped, and system calls that it is
 * to make.  Called by undump.
 * Source: Linux, arch/x86/kernel/signal.c, and the System V ABI.
 */
#define _GNU_SOURCE
#include <string.h>

#include "rfork/arch.h"

#define SYSCALL_BYTES 2u

struct code {
	size_t bytes;
	unsigned char text[10];
};

/* The first two as compilers and libcs write them: mov $15,%rax or mov $15,%eax before the call. */
static const struct code codes[][2] = {
	[RF_CODE_SYSTEM_CALL] = { { 3, { 0x0f, 0x05, 0xc3 } } },
	[RF_CODE_SIGNAL_RETURN] = { { 9, { 0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05 } },
				    { 7, { 0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05 } } },
	[RF_CODE_BARE_SYSTEM_CALL] = { { 2, { 0x0f, 0x05 } } },
};

long rf_arch_find_code(enum rf_arch_code what, const unsigned char *text, size_t bytes)
{
	for (size_t i = 0; i < 2 && codes[what][i].bytes; i++) {
		const struct code *code = &codes[what][i];
		const unsigned char *found = memmem(text, bytes, code->text, code->bytes);

		if (found)
			return found - text;
	}
	return -1;
}

void rf_arch_begin_call(struct rf_image_registers *registers, uint64_t code, uint64_t stack,
			long number, const uint64_t arguments[6])
{
	registers->rip = code;
	registers->rsp = stack;
	registers->rax = (uint64_t)number;
	registers->orig_rax = UINT64_MAX; /* in no system call that could be made again */
	registers->rdi = arguments[0];
	registers->rsi = arguments[1];
	registers->rdx = arguments[2];
	registers->r10 = arguments[3];
	registers->r8 = arguments[4];
	registers->r9 = arguments[5];
}

bool rf_arch_is_call(const struct rf_image_registers *registers, uint64_t code, long number)
{
	return registers->rip == code + SYSCALL_BYTES && registers->orig_rax == (uint64_t)number;
}

long rf_arch_call_result(const struct rf_image_registers *registers)
{
	return (long)registers->rax;
}

uint64_t rf_arch_return_to_frame(void *buffer, uint64_t address, uint64_t stack, uint64_t sigreturn)
{
	/* the return pops it, and leaves the stack pointer where rt_sigreturn looks for the
	 * frame */
	uint64_t slot = stack - sizeof(sigreturn);

	memcpy((unsigned char *)buffer + (slot - address), &sigreturn, sizeof(sigreturn));
	return slot;
}
