/* SPDX-License-Identifier: MIT */
/*
 * Code that is interrupted by a signal while its vector registers are in use, and signal frames as
 * they are on other machines.  For tests of what a handler that has moved returns to.
 */
#ifndef TEST_SUPPORT_VECTORS_H
#define TEST_SUPPORT_VECTORS_H

#include <stdbool.h>

#include "rfork/arch.h"
#include "rfork/x86_64/sigframe.h"

#define VECTORS_AVX UINT64_C(4)
#define VECTORS_AVX512 (UINT64_C(7) << 5)

/* This machine: its facts, and where it has what in a frame. */
extern struct rf_machine_facts vectors_facts;
extern struct rf_xsave_layout vectors_layout;

void vectors_begin(void);
bool vectors_has(uint64_t components);

/*
 * Sends `signal` to the calling thread, whose handler runs then and there, while values are in the
 * registers: YMM 0 to 15 alone, ZMM 16 to 31 and the masks being zero; or all of them.  Whether
 * they are the same afterwards.
 */
bool vectors_survive(int signal);
bool vectors_of_avx512_survive(int signal);

/* Puts the state of a frame at `to`, as a machine with this layout has it; false if that has no
 * place for what is in use. */
bool vectors_make_foreign(struct kernel_ucontext *ucontext, const struct rf_xsave_layout *layout,
			  unsigned char *to);

/* Layouts of other machines: without AVX-512, and longer than this machine's with all that it
 * has. */
struct rf_xsave_layout vectors_small_layout(void);
struct rf_xsave_layout vectors_long_layout(void);

#define VECTORS_ROOM_BYTES 8192u /* for any such frame */

#endif
