/* SPDX-License-Identifier: MIT */
/*
 * See vectors.h.  The values are loaded, and looked at, by instructions around the system call that
 * sends the signal: no other code uses the registers between.
 */
#define _GNU_SOURCE
#include "tests/support/vectors.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MPX (UINT64_C(3) << 3)

struct rf_machine_facts vectors_facts;
struct rf_xsave_layout vectors_layout;

static unsigned char ymm[16][32], ymm_after[16][32];
static unsigned char zmm[16][64], zmm_after[16][64]; /* 16 to 31 */
static uint64_t masks[8], masks_after[8];

void vectors_begin(void)
{
	memset(&vectors_facts, 0, sizeof(vectors_facts));
	rf_arch_machine_facts(&vectors_facts);
	rf_arch_xsave_here(&vectors_layout, &vectors_facts);
	for (size_t i = 0; i < sizeof(ymm); i++)
		ymm[i / 32][i % 32] = (unsigned char)(i * 7 + 1);
	for (size_t i = 0; i < sizeof(zmm); i++)
		zmm[i / 64][i % 64] = (unsigned char)(i * 11 + 3);
	for (size_t i = 1; i < 8; i++)
		masks[i] = UINT64_C(0x0123456789abcdef) * i;
}

bool vectors_has(uint64_t components)
{
	return (vectors_facts.xcr0 & components) == components;
}

/* -- code with live registers ------------------------------------------------------------------ */

/* clang-format off */
#define EACH_YMM(op)                                                                               \
	op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13)    \
		op(14) op(15)
#define EACH_ZMM(op)                                                                               \
	op(16) op(17) op(18) op(19) op(20) op(21) op(22) op(23) op(24) op(25) op(26) op(27) op(28) \
		op(29) op(30) op(31)
#define EACH_MASK(op) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define LOAD_YMM(n) "vmovdqu " #n "*32(%[ymm]), %%ymm" #n "\n"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", " #n "*32(%[ymm_after])\n"
#define LOAD_ZMM(n) "vmovdqu64 (" #n "-16)*64(%[zmm]), %%zmm" #n "\n"
#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", (" #n "-16)*64(%[zmm_after])\n"
#define CLEAR_ZMM(n) "vpxorq %%zmm" #n ", %%zmm" #n ", %%zmm" #n "\n"
#define LOAD_MASK(n) "kmovq " #n "*8(%[masks]), %%k" #n "\n"
#define STORE_MASK(n) "kmovq %%k" #n ", " #n "*8(%[masks_after])\n"
#define CLEAR_MASK(n) "kxorq %%k" #n ", %%k" #n ", %%k" #n "\n"

#define OPERANDS                                                                                   \
	: "+a"(number)                                                                             \
	: "D"(process), "S"(thread), "d"(signal), [ymm] "r"(ymm), [ymm_after] "r"(ymm_after),   \
	  [zmm] "r"(zmm), [zmm_after] "r"(zmm_after), [masks] "r"(masks),                          \
	  [masks_after] "r"(masks_after)                                                           \
	: "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",   \
	  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* clang-format on */

/* Other code has left something in registers that it does not need any more. */
#define CLEAR_AVX512 EACH_ZMM(CLEAR_ZMM) CLEAR_MASK(0) EACH_MASK(CLEAR_MASK)

bool vectors_survive(int signal)
{
	pid_t process = getpid(), thread = gettid();
	long number = SYS_tgkill;

	memset(ymm_after, 0, sizeof(ymm_after));
	if (vectors_has(VECTORS_AVX512))
		__asm__ volatile(CLEAR_AVX512 EACH_YMM(LOAD_YMM) "syscall\n" EACH_YMM(
			STORE_YMM) "vzeroupper" OPERANDS);
	else
		__asm__ volatile(
			EACH_YMM(LOAD_YMM) "syscall\n" EACH_YMM(STORE_YMM) "vzeroupper" OPERANDS);
	return number == 0 && memcmp(ymm_after, ymm, sizeof(ymm)) == 0;
}

bool vectors_of_avx512_survive(int signal)
{
	pid_t process = getpid(), thread = gettid();
	long number = SYS_tgkill;

	memset(ymm_after, 0, sizeof(ymm_after));
	memset(zmm_after, 0, sizeof(zmm_after));
	memset(masks_after, 0, sizeof(masks_after));
	__asm__ volatile(EACH_YMM(LOAD_YMM) EACH_ZMM(LOAD_ZMM)
				 EACH_MASK(LOAD_MASK) "syscall\n" EACH_YMM(STORE_YMM)
					 EACH_ZMM(STORE_ZMM)
						 EACH_MASK(STORE_MASK) "vzeroupper" OPERANDS);
	return number == 0 && memcmp(ymm_after, ymm, sizeof(ymm)) == 0 &&
	       memcmp(zmm_after, zmm, sizeof(zmm)) == 0 &&
	       memcmp(masks_after, masks, sizeof(masks)) == 0;
}

/* -- frames of other machines ------------------------------------------------------------------ */

bool vectors_make_foreign(struct kernel_ucontext *ucontext, const struct rf_xsave_layout *layout,
			  unsigned char *to)
{
	static unsigned char result[VECTORS_ROOM_BYTES];
	const unsigned char *from = (const unsigned char *)(uintptr_t)ucontext->context.fpstate;
	struct fxsave *head = (struct fxsave *)result;
	const uint32_t magic2 = XSTATE_MAGIC2;

	if (rf_arch_xsave_convert(result, layout, from, &vectors_layout, NULL) < 0)
		return false;
	memset(&head->magic1, 0, FXSAVE_BYTES - offsetof(struct fxsave, magic1));
	head->magic1 = XSTATE_MAGIC1;
	head->extended_bytes = layout->bytes + (uint32_t)sizeof(magic2);
	head->features = layout->features;
	head->state_bytes = layout->bytes;
	memcpy(result + layout->bytes, &magic2, sizeof(magic2));
	if (to == from) /* what this machine's kernel would look for */
		memset(to + layout->bytes, 0,
		       vectors_layout.bytes + sizeof(magic2) - layout->bytes);
	memcpy(to, result, layout->bytes + sizeof(magic2));
	ucontext->context.fpstate = (uintptr_t)to;
	return true;
}

struct rf_xsave_layout vectors_small_layout(void)
{
	struct rf_xsave_layout layout;

	rf_arch_xsave_known(&layout, 3 | VECTORS_AVX, true);
	return layout;
}

struct rf_xsave_layout vectors_long_layout(void)
{
	struct rf_xsave_layout layout;

	for (int is_packed = 0; is_packed < 2; is_packed++)
		if (rf_arch_xsave_known(&layout, vectors_facts.xcr0, is_packed) &&
		    layout.bytes > vectors_layout.bytes)
			return layout;
	rf_arch_xsave_known(&layout, vectors_facts.xcr0 | MPX, true);
	return layout;
}
