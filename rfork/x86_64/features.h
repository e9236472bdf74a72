/* SPDX-License-Identifier: MIT */
/*
 * CPU features by their names: what cpu.c, which has the table, and c_library.c share.  A list is
 * names between single spaces; one that ends with an asterisk stands for all that begin so.
 */
#ifndef RF_X86_64_FEATURES_H
#define RF_X86_64_FEATURES_H

#include <stddef.h>
#include <stdint.h>

#define RF_AVX512_FEATURES "avx512* avx10"

/* Words of facts->cpu, by CPUID leaf and register: the order on the wire. */
enum rf_feature_word {
	RF_WORD_1_ECX,
	RF_WORD_1_EDX,
	RF_WORD_7_EBX,
	RF_WORD_7_ECX,
	RF_WORD_7_EDX,
	RF_WORD_7_1_EAX,
	RF_WORD_7_1_EDX,
	RF_WORD_D_1_EAX,
	RF_WORD_80000001_ECX,
	RF_WORD_80000001_EDX,
	RF_WORD_80000008_EBX,
};

#define RF_FEATURE_WORDS (RF_WORD_80000008_EBX + 1)

/* The state components of XCR0 that the process may use, and unless it is NULL the bytes of an
 * XSAVE area for them in standard format.  The CPU has XSAVE. */
void rf_vector_state(uint64_t *xcr0, uint32_t *xsave_bytes);

/* The bits of a word of facts->cpu, of those given, whose names are in a list. */
uint32_t rf_feature_bits(size_t word, uint32_t among, const char *list);

#endif
