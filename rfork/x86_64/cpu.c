/* SPDX-License-Identifier: MIT */
/*
 * The x86_64 facts of a machine: CPUID feature words and the state components that
 * the kernel has enabled.  Called through arch.h by machine_facts.c.  A bit counts only if
 * it promises an instruction or state that user code may use; the tables name those, in
 * the words of /proc/cpuinfo, and every other bit (APIC, hypervisor, pure speed hints,
 * kernel-only features) is masked out, since a program runs as well without it.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <stdbool.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/sys.h"
#include "rfork/x86_64/features.h"

/* With 4-level paging, and with 5-level paging for who does not ask for more. */
#define MAX_ADDRESS 0x7ffffffff000u
/* FXSAVE and the header; and more than any CPU has. */
#define XSAVE_LEAST_BYTES 576u
#define XSAVE_MOST_BYTES (64u << 10)
#define X87_AND_SSE UINT64_C(3)
/* ARCH_GET_XCOMP_PERM, Linux 5.16, arch/x86/include/uapi/asm/prctl.h; missing in older headers. */
#define GET_PERMITTED_COMPONENTS 0x1022

/* Which CPUID leaf and register a word is: the order on the wire, so only ever appended to. */
enum { EAX, EBX, ECX, EDX };

struct feature_word {
	uint32_t leaf, subleaf;
	int reg;
	const char *names[32];
};

/* clang-format off */
static const struct feature_word words[] = {
	[RF_WORD_1_ECX] = { 1, 0, ECX,
	  { [0] = "pni", [1] = "pclmulqdq", [9] = "ssse3", [12] = "fma", [13] = "cx16",
	    [19] = "sse4_1", [20] = "sse4_2", [22] = "movbe", [23] = "popcnt", [25] = "aes",
	    [26] = "xsave", [27] = "osxsave", [28] = "avx", [29] = "f16c", [30] = "rdrand" } },
	[RF_WORD_1_EDX] = { 1, 0, EDX,
	  { [0] = "fpu", [4] = "tsc", [8] = "cx8", [15] = "cmov", [19] = "clflush", [23] = "mmx",
	    [24] = "fxsr", [25] = "sse", [26] = "sse2" } },
	[RF_WORD_7_EBX] = { 7, 0, EBX,
	  { [0] = "fsgsbase", [3] = "bmi1", [4] = "hle", [5] = "avx2", [8] = "bmi2",
	    [11] = "rtm", [14] = "mpx", [16] = "avx512f", [17] = "avx512dq", [18] = "rdseed",
	    [19] = "adx", [21] = "avx512ifma", [23] = "clflushopt", [24] = "clwb",
	    [26] = "avx512pf", [27] = "avx512er", [28] = "avx512cd", [29] = "sha_ni",
	    [30] = "avx512bw", [31] = "avx512vl" } },
	[RF_WORD_7_ECX] = { 7, 0, ECX,
	  { [1] = "avx512vbmi", [5] = "waitpkg", [6] = "avx512_vbmi2",
	    [8] = "gfni", [9] = "vaes", [10] = "vpclmulqdq", [11] = "avx512_vnni",
	    [12] = "avx512_bitalg", [14] = "avx512_vpopcntdq", [22] = "rdpid",
	    [27] = "movdiri", [28] = "movdir64b", [29] = "enqcmd" } },
	[RF_WORD_7_EDX] = { 7, 0, EDX,
	  { [2] = "avx512_4vnniw", [3] = "avx512_4fmaps", [5] = "uintr",
	    [8] = "avx512_vp2intersect", [14] = "serialize", [16] = "tsxldtrk",
	    [22] = "amx_bf16", [23] = "avx512_fp16", [24] = "amx_tile", [25] = "amx_int8" } },
	[RF_WORD_7_1_EAX] = { 7, 1, EAX,
	  { [0] = "sha512", [1] = "sm3", [2] = "sm4", [4] = "avx_vnni", [5] = "avx512_bf16",
	    [7] = "cmpccxadd", [21] = "amx_fp16", [23] = "avx_ifma", [31] = "movrs" } },
	[RF_WORD_7_1_EDX] = { 7, 1, EDX,
	  { [4] = "avx_vnni_int8", [5] = "avx_ne_convert", [8] = "amx_complex",
	    [10] = "avx_vnni_int16", [15] = "user_msr", [19] = "avx10", [21] = "apx_f" } },
	[RF_WORD_D_1_EAX] = { 0xd, 1, EAX, { [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1" } },
	[RF_WORD_80000001_ECX] = { 0x80000001, 0, ECX,
	  { [0] = "lahf_lm", [5] = "abm", [6] = "sse4a", [7] = "misalignsse",
	    [8] = "3dnowprefetch", [11] = "xop", [15] = "lwp", [16] = "fma4", [21] = "tbm",
	    [29] = "mwaitx" } },
	[RF_WORD_80000001_EDX] = { 0x80000001, 0, EDX,
	  { [22] = "mmxext", [27] = "rdtscp", [29] = "lm", [30] = "3dnowext", [31] = "3dnow" } },
	[RF_WORD_80000008_EBX] = { 0x80000008, 0, EBX, { [0] = "clzero", [4] = "rdpru" } },
};

#define WORDS (sizeof(words) / sizeof(words[0]))

_Static_assert(WORDS <= RF_CPU_WORDS, "doc/protocol.txt, 3");

/* A state component of XCR0, and the features whose instructions use it. */
struct component {
	const char *name;
	const char *users;
};

static const struct component components[] = {
	[0] = { "x87", NULL },
	[1] = { "SSE", NULL },
	[2] = { "AVX", "avx avx2 fma f16c fma4 xop vaes vpclmulqdq avx_* avx10 avx512* "
		       "sha512 sm3 sm4" },
	[3] = { "MPX bounds", "mpx" },
	[4] = { "MPX", "mpx" },
	[5] = { "AVX-512 k", RF_AVX512_FEATURES },
	[6] = { "ZMM upper", RF_AVX512_FEATURES },
	[7] = { "ZMM 16 to 31", RF_AVX512_FEATURES },
	[9] = { "PKRU", "" }, /* an image says who uses it */
	[17] = { "AMX config", "amx_*" },
	[18] = { "AMX tile", "amx_*" },
	[19] = { "APX", "apx_f" },
};
/* clang-format on */

#define COMPONENTS (sizeof(components) / sizeof(components[0]))

static uint32_t usable_bits(const struct feature_word *word)
{
	uint32_t mask = 0;

	for (unsigned bit = 0; bit < 32; bit++)
		if (word->names[bit])
			mask |= 1u << bit;
	return mask;
}

static bool is_listed(const char *list, const char *name)
{
	size_t bytes;

	for (; *list; list += bytes + (list[bytes] == ' ')) {
		const char *end = strchr(list, ' ');

		bytes = end ? (size_t)(end - list) : strlen(list);
		if (list[bytes - 1] == '*' ? strncmp(list, name, bytes - 1) == 0
					   : strncmp(list, name, bytes) == 0 && !name[bytes])
			return true;
	}
	return false;
}

uint32_t rf_feature_bits(size_t word, uint32_t among, const char *list)
{
	uint32_t listed = 0;

	for (uint32_t left = word < WORDS ? among : 0; left; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctz(left);

		if (words[word].names[bit] && is_listed(list, words[word].names[bit]))
			listed |= 1u << bit;
	}
	return listed;
}

static uint64_t read_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* A process gets state as large as that of AMX only if it has asked for it. */
static uint64_t permitted_components(void)
{
	uint64_t permitted;

	if (rf_syscall(SYS_arch_prctl, GET_PERMITTED_COMPONENTS, &permitted) < 0)
		return UINT64_MAX;
	return permitted | X87_AND_SSE;
}

static uint32_t area_bytes(uint64_t components)
{
	uint32_t bytes = XSAVE_LEAST_BYTES;

	for (uint64_t left = components & ~X87_AND_SSE; left; left &= left - 1) {
		uint32_t size, offset, flags, unused;

		__cpuid_count(0xd, (uint32_t)__builtin_ctzll(left), size, offset, flags, unused);
		if (offset + size > bytes)
			bytes = offset + size;
	}
	return bytes;
}

void rf_vector_state(uint64_t *xcr0, uint32_t *xsave_bytes)
{
	uint64_t enabled = read_xcr0();
	uint32_t eax, ebx, ecx, edx;

	*xcr0 = enabled & permitted_components();
	if (!xsave_bytes)
		return;
	__cpuid_count(0xd, 0, eax, ebx, ecx, edx);
	*xsave_bytes = *xcr0 == enabled ? ebx : area_bytes(*xcr0);
}

static bool same_leaf(const struct feature_word *a, const struct feature_word *b)
{
	return a->leaf == b->leaf && a->subleaf == b->subleaf;
}

/* CPUID leaves the virtual machine, which costs microseconds: words of one leaf stand together
 * in the table, and it is asked once. */
static void read_words(uint32_t *cpu)
{
	uint32_t basic = __get_cpuid_max(0, NULL);
	uint32_t extended = __get_cpuid_max(0x80000000u, NULL);
	uint32_t last_subleaf_of_7 = 0;
	uint32_t registers[4];

	for (size_t i = 0; i < WORDS; i++) {
		const struct feature_word *word = &words[i];
		uint32_t last = word->leaf & 0x80000000u ? extended : basic;

		if (i == 0 || !same_leaf(word, word - 1)) {
			memset(registers, 0, sizeof(registers));
			if (word->leaf <= last &&
			    (word->leaf != 7 || word->subleaf <= last_subleaf_of_7))
				__cpuid_count(word->leaf, word->subleaf, registers[EAX],
					      registers[EBX], registers[ECX], registers[EDX]);
			if (word->leaf == 7 && word->subleaf == 0)
				last_subleaf_of_7 = registers[EAX];
		}
		cpu[i] = registers[word->reg] & usable_bits(word);
	}
}

uint64_t rf_arch_max_address(void)
{
	return MAX_ADDRESS;
}

static bool has_xsave(const struct rf_machine_facts *facts)
{
	enum { OSXSAVE_WORD = 0, OSXSAVE_BIT = 27 };

	return facts->cpu[OSXSAVE_WORD] >> OSXSAVE_BIT & 1;
}

/* What a CPU has is of no use where the kernel has not enabled its state. */
static void drop_unusable(struct rf_machine_facts *facts)
{
	for (unsigned bit = 0; bit < COMPONENTS; bit++)
		if (!(facts->xcr0 >> bit & 1) && components[bit].users)
			for (size_t word = 0; word < WORDS; word++)
				facts->cpu[word] &= ~rf_feature_bits(word, facts->cpu[word],
								     components[bit].users);
}

void rf_arch_machine_facts(struct rf_machine_facts *facts)
{
	facts->architecture = RF_ARCHITECTURE_X86_64;
	facts->max_address = MAX_ADDRESS;
	facts->cpu_words = WORDS;
	read_words(facts->cpu);
	/* Without XSAVE the kernel saves x87 and SSE in the 512 bytes of FXSAVE. */
	facts->xcr0 = 3;
	facts->xsave_bytes = 512;
	if (has_xsave(facts))
		rf_vector_state(&facts->xcr0, &facts->xsave_bytes);
	drop_unusable(facts);
}

bool rf_arch_facts_hold(const struct rf_machine_facts *facts)
{
	return facts->architecture == RF_ARCHITECTURE_X86_64 && facts->max_address == MAX_ADDRESS &&
	       facts->cpu_words == WORDS && has_xsave(facts) &&
	       facts->xcr0 == (read_xcr0() & permitted_components()) &&
	       facts->xsave_bytes >= XSAVE_LEAST_BYTES && facts->xsave_bytes <= XSAVE_MOST_BYTES;
}

/* A word or bit from a newer library has no name here. */
const char *rf_arch_feature_name(size_t word, unsigned bit)
{
	static char unknown[32];

	if (word < WORDS && words[word].names[bit])
		return words[word].names[bit];
	rf_format(unknown, sizeof(unknown), "CPU feature %u.%u", (unsigned)word, bit);
	return unknown;
}

const char *rf_arch_component_name(unsigned bit)
{
	static char unknown[32];

	if (bit < COMPONENTS && components[bit].name)
		return components[bit].name;
	rf_format(unknown, sizeof(unknown), "state component %u", bit);
	return unknown;
}

static void append_bit(char *text, size_t bytes, size_t word, unsigned bit)
{
	size_t used = strlen(text);

	rf_format(text + used, bytes - used, "%s%s", used ? ", " : "",
		  rf_arch_feature_name(word, bit));
}

static void append_component(char *text, size_t bytes, unsigned bit)
{
	size_t used = strlen(text);
	const char *comma = used ? ", " : "";

	if (bit < COMPONENTS && components[bit].name)
		rf_format(text + used, bytes - used, "%sthe %s state", comma, components[bit].name);
	else
		rf_format(text + used, bytes - used, "%s%s", comma, rf_arch_component_name(bit));
}

static uint32_t word_of(const struct rf_machine_facts *facts, size_t word)
{
	return word < facts->cpu_words ? facts->cpu[word] : 0;
}

static bool has_user(const struct rf_machine_facts *facts, const char *users)
{
	for (size_t word = 0; word < WORDS; word++)
		if (rf_feature_bits(word, word_of(facts, word), users))
			return true;
	return false;
}

/* Of these components those that some feature of the caller's uses: in the others nothing will
 * ever be. */
static uint64_t used_components(const struct rf_machine_facts *caller, uint64_t among)
{
	uint64_t used = among;

	for (unsigned bit = 0; bit < COMPONENTS; bit++)
		if (among >> bit & 1 && components[bit].users &&
		    !has_user(caller, components[bit].users))
			used &= ~(UINT64_C(1) << bit);
	return used;
}

size_t rf_arch_missing_features(const struct rf_machine_facts *caller,
				const struct rf_machine_facts *node, char *text, size_t bytes)
{
	uint64_t lacking = used_components(caller, caller->xcr0 & ~node->xcr0);
	size_t missing = 0;

	for (size_t word = 0; word < RF_CPU_WORDS; word++) {
		uint32_t bits = word_of(caller, word) & ~word_of(node, word);

		for (unsigned bit = 0; bit < 32; bit++) {
			if (!(bits >> bit & 1))
				continue;
			append_bit(text, bytes, word, bit);
			missing++;
		}
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(lacking >> bit & 1))
			continue;
		append_component(text, bytes, bit);
		missing++;
	}
	return missing;
}
