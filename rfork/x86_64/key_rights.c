/* SPDX-License-Identifier: MIT */
/*
 * What a thread may do with memory under each protection key: the register PKRU.  Only where the
 * kernel has protection keys are there such instructions.  Freestanding: no errno.
 */
#include "rfork/arch.h"

uint32_t rf_arch_key_rights(void)
{
	uint32_t rights, unused;

	/* rdpkru, which older assemblers do not know */
	__asm__ volatile(".byte 0x0f, 0x01, 0xee" : "=a"(rights), "=d"(unused) : "c"(0));
	return rights;
}

void rf_arch_set_key_rights(uint32_t rights)
{
	/* wrpkru: nothing that lies in memory may be read before it that was not to be read */
	__asm__ volatile(".byte 0x0f, 0x01, 0xef" : : "a"(rights), "c"(0), "d"(0) : "memory");
}
