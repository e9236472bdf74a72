/* SPDX-License-Identifier: MIT */
/*
 * What a walk through the frames of a stack must know of the architecture.  Called by undump.
 */
#include <string.h>

#include "rfork/arch.h"

/* Numbers: System V ABI, x86-64, figure 3.36. */
bool rf_arch_dwarf_register(const struct rf_image_thread *thread, int number, uint64_t *value)
{
	const struct rf_image_registers *from = &thread->registers;
	const uint64_t values[] = {
		from->rax, from->rdx, from->rcx, from->rbx, from->rsi, from->rdi,
		from->rbp, from->rsp, from->r8,	 from->r9,  from->r10, from->r11,
		from->r12, from->r13, from->r14, from->r15, from->rip,
	};

	if (number < 0 || (size_t)number >= sizeof(values) / sizeof(values[0]))
		return false;
	*value = values[number];
	return true;
}

/* mov $15, %rax; syscall: what every C library has there, for debuggers look for it. */
bool rf_arch_is_signal_return(const unsigned char code[RF_ARCH_SIGNAL_RETURN_BYTES])
{
	static const unsigned char expected[RF_ARCH_SIGNAL_RETURN_BYTES] = { 0x48, 0xc7, 0xc0,
									     0x0f, 0x00, 0x00,
									     0x00, 0x0f, 0x05 };

	return memcmp(code, expected, sizeof(expected)) == 0;
}
