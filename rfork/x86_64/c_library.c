/* SPDX-License-Identifier: MIT */
/*
 * Which features of the CPU the C library lets the calling process use.  glibc chooses the variants
 * of its functions once, when a program starts, by what it calls active: the features that the CPU
 * has, less those that GLIBC_TUNABLES=glibc.cpu.hwcaps=-NAME,... has masked.  Called by state.c for
 * the process that is to move; not by a node, whose features are those of its CPU.
 *
 * A mask is one bit: glibc draws no conclusion from -AVX512F, and goes on using AVX512VL.  So each
 * feature that can be masked stands for itself, and only what follows from all of them together is
 * concluded here.  Source: glibc 2.33 to 2.41, sysdeps/x86/cpu-features.c, cpu-tunables.c,
 * sysdeps/x86_64/multiarch/ifunc-*.h.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/x86_64/features.h"

/* What can be masked, and what glibc then does without. */
#define MASKABLE                                                                                   \
	"ssse3 sse4_1 sse4_2 popcnt movbe abm bmi1 bmi2 fma fma4 avx avx2 rtm xsavec "             \
	"avx512f avx512cd avx512bw avx512dq avx512er avx512pf avx512vl"

/* glibc itself finds these unfit on some CPUs; nobody has masked anything then. */
#define UNFIT_SOMEWHERE "rtm fma4 avx512er avx512pf"

/* While one of these is active, variants are chosen that use others, which cannot be masked. */
#define AVX512_BASE "avx512f avx512bw avx512vl"

/* Every program uses these, or, of the last, the dynamic linker: what it has chosen to save vector
 * registers with, it uses although XSAVE is masked. */
#define ALWAYS_USED "fpu tsc cx8 cmov clflush mmx fxsr sse sse2 lm osxsave xsave"

/* What the compiler was told to use everywhere, here and probably in the rest of the program: a
 * glibc that was built so does not ask what is active.  The levels of the x86-64 psABI. */
#ifdef __AVX512VL__
#define BUILT_WITH_V4 " avx512f avx512bw avx512cd avx512dq avx512vl"
#else
#define BUILT_WITH_V4 ""
#endif
#ifdef __AVX2__
#define BUILT_WITH_V3 " avx avx2 bmi1 bmi2 f16c fma abm movbe"
#else
#define BUILT_WITH_V3 ""
#endif
#ifdef __SSE4_2__
#define BUILT_WITH_V2 " cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
#else
#define BUILT_WITH_V2 ""
#endif
#define NEEDED ALWAYS_USED BUILT_WITH_V2 BUILT_WITH_V3 BUILT_WITH_V4

/* -- what glibc says --------------------------------------------------------------------------- */

#if __has_include(<sys/platform/x86.h>)

#include <sys/platform/x86.h>

static const struct {
	unsigned leaf;
	unsigned reg;
} places[RF_CPU_WORDS] = {
	[RF_WORD_1_ECX] = { CPUID_INDEX_1, cpuid_register_index_ecx },
	[RF_WORD_1_EDX] = { CPUID_INDEX_1, cpuid_register_index_edx },
	[RF_WORD_7_EBX] = { CPUID_INDEX_7, cpuid_register_index_ebx },
	[RF_WORD_7_ECX] = { CPUID_INDEX_7, cpuid_register_index_ecx },
	[RF_WORD_7_EDX] = { CPUID_INDEX_7, cpuid_register_index_edx },
	[RF_WORD_7_1_EAX] = { CPUID_INDEX_7_ECX_1, cpuid_register_index_eax },
	[RF_WORD_7_1_EDX] = { CPUID_INDEX_7_ECX_1, cpuid_register_index_edx },
	[RF_WORD_D_1_EAX] = { CPUID_INDEX_D_ECX_1, cpuid_register_index_eax },
	[RF_WORD_80000001_ECX] = { CPUID_INDEX_80000001, cpuid_register_index_ecx },
	[RF_WORD_80000001_EDX] = { CPUID_INDEX_80000001, cpuid_register_index_edx },
	[RF_WORD_80000008_EBX] = { CPUID_INDEX_80000008, cpuid_register_index_ebx },
};

/*
 * memmove() takes AVX where unaligned loads are fast, whether AVX is active or not: that is a
 * preference, which must be masked as well.  glibc does not tell preferences, but the variable
 * from which it has them is still there.
 */
static bool may_prefer_avx(void)
{
	const char *tunables = getenv("GLIBC_TUNABLES");

	return !tunables || !strstr(tunables, "-AVX_Fast_Unaligned_Load");
}

bool rf_arch_ask_c_library(struct rf_arch_c_library *library)
{
	*library = (struct rf_arch_c_library){ .prefers_avx = may_prefer_avx() };
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++) {
		const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(places[word].leaf);

		library->present[word] = leaf->cpuid_array[places[word].reg];
		library->active[word] = leaf->active_array[places[word].reg];
	}
	return true;
}

#else /* musl, and glibc before 2.33 */

bool rf_arch_ask_c_library(struct rf_arch_c_library *library)
{
	(void)library;
	return false;
}

#endif

/* -- what follows ------------------------------------------------------------------------------ */

/* Of the CPU's features in a word those that the C library does not use. */
static uint32_t inactive_bits(const struct rf_arch_c_library *library, size_t word)
{
	uint32_t inactive = library->present[word] & ~library->active[word];

	return library->prefers_avx ? inactive & ~rf_feature_bits(word, inactive, "avx") : inactive;
}

static bool is_masked(const struct rf_machine_facts *facts, const struct rf_arch_c_library *library)
{
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++) {
		uint32_t inactive = facts->cpu[word] & inactive_bits(library, word);

		if (rf_feature_bits(word, inactive, MASKABLE) &
		    ~rf_feature_bits(word, inactive, UNFIT_SOMEWHERE))
			return true;
	}
	return false;
}

static bool uses_avx512(const struct rf_machine_facts *facts,
			const struct rf_arch_c_library *library)
{
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++)
		if (rf_feature_bits(word, facts->cpu[word] & ~inactive_bits(library, word),
				    AVX512_BASE))
			return true;
	return false;
}

void rf_arch_drop_masked(struct rf_machine_facts *facts, const struct rf_arch_c_library *library)
{
	/* the rest nobody can mask, and glibc does not use it by itself */
	const char *others = uses_avx512(facts, library) ? RF_AVX512_FEATURES : "";

	if (!is_masked(facts, library))
		return;
	for (size_t word = 0; word < RF_FEATURE_WORDS; word++) {
		uint32_t has = facts->cpu[word];
		uint32_t maskable = rf_feature_bits(word, has, MASKABLE);

		facts->cpu[word] = (maskable & ~inactive_bits(library, word)) |
				   (rf_feature_bits(word, has, others) & ~maskable) |
				   rf_feature_bits(word, has, NEEDED);
	}
}
