/* SPDX-License-Identifier: MIT */
/*
 * A thread's x87 and vector state as a debugger expects it in a core.  Called by undump.
 *
 * The standard format of XSAVE has other offsets on other CPUs, and a core does not say which: debuggers
 * up to gdb 13 know those of Intel only, later ones guess from the size.  So a core of ours always has
 * those, and leaves out the components that no debugger knows.
 */
#include <string.h>

#include "rfork/arch.h"

#define FXSAVE_BYTES 512u
#define MXCSR_OFFSET 24u
#define MXCSR_MASK_OFFSET 28u
#define XCR0_OFFSET                                                                                \
	464u /* what software may use of FXSAVE; here the kernel writes XCR0 into a core */
#define XSTATE_BV_OFFSET 512u
#define HEADER_END 576u
#define LEGACY UINT64_C(3)
#define MXCSR_MASK 0xffffu

/* Where a component is, by the CPU's maker: AMD has no room for MPX. */
struct component {
	unsigned bit;
	uint32_t bytes, debugger_offset, compact_offset;
};

static const struct component components[] = {
	{ 2, 256, 576, 576 }, /* AVX */
	{ 5, 64, 1088, 832 }, /* AVX-512: k, upper halves of ZMM 0 to 15, ZMM 16 to 31 */
	{ 6, 512, 1152, 896 }, { 7, 1024, 1664, 1408 }, { 9, 8, 2688, 2432 }, /* PKRU */
};

#define COMPONENTS (sizeof(components) / sizeof(components[0]))
#define INTEL_BYTES 2688u /* of XSAVE with AVX-512, without PKRU */

static uint64_t read_u64(const unsigned char *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static void write_u64(unsigned char *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

static uint32_t source_offset(const struct component *component, uint32_t bytes)
{
	return bytes >= INTEL_BYTES ? component->debugger_offset : component->compact_offset;
}

/* The state of a thread without an XSAVE area: of a CPU that has none, or in a call, where nothing is
 * live but what a call preserves. */
static void make_legacy(unsigned char *area, const struct rf_image_thread *thread,
			const unsigned char *fxsave)
{
	const uint32_t mask = MXCSR_MASK;

	if (thread->xsave_bytes >= FXSAVE_BYTES) {
		memcpy(area, fxsave, FXSAVE_BYTES);
	} else {
		memcpy(area, &thread->x87_control, sizeof(thread->x87_control));
		memcpy(area + MXCSR_OFFSET, &thread->mxcsr, sizeof(thread->mxcsr));
		memcpy(area + MXCSR_MASK_OFFSET, &mask, sizeof(mask));
	}
	write_u64(area + XSTATE_BV_OFFSET, LEGACY);
}

/* The components of an XSAVE area that have a place in ours; what is not live reads as zero. */
static void take_components(unsigned char *area, uint64_t xcr0, const unsigned char *xsave,
			    uint32_t bytes)
{
	uint64_t live = read_u64(xsave + XSTATE_BV_OFFSET) & xcr0;

	for (size_t i = 0; i < COMPONENTS; i++) {
		const struct component *component = &components[i];
		uint32_t from = source_offset(component, bytes);

		if (live >> component->bit & 1 && from + component->bytes <= bytes)
			memcpy(area + component->debugger_offset, xsave + from, component->bytes);
	}
	memcpy(area, xsave, FXSAVE_BYTES);
	write_u64(area + XSTATE_BV_OFFSET, live);
}

size_t rf_arch_core_state(unsigned char area[RF_ARCH_CORE_STATE_BYTES],
			  const struct rf_machine_facts *facts,
			  const struct rf_image_thread *thread, const unsigned char *xsave)
{
	uint64_t known = LEGACY;
	size_t bytes = HEADER_END;

	for (size_t i = 0; i < COMPONENTS; i++)
		known |= UINT64_C(1) << components[i].bit;
	known &= facts->xcr0 | LEGACY;
	for (size_t i = 0; i < COMPONENTS; i++)
		if (known >> components[i].bit & 1)
			bytes = components[i].debugger_offset + components[i].bytes;
	memset(area, 0, RF_ARCH_CORE_STATE_BYTES);
	if (thread->xsave_bytes >= HEADER_END)
		take_components(area, known, xsave, thread->xsave_bytes);
	else
		make_legacy(area, thread, xsave);
	write_u64(area + XCR0_OFFSET, known);
	return bytes;
}
