/* SPDX-License-Identifier: MIT */
/*
 * A thread's x87 and vector state as a debugger expects it in a core.  Called by undump.
 *
 * The standard format of XSAVE has other offsets on other CPUs, and a core does not say which:
 * debuggers up to gdb 13 know those of Intel only, later ones guess from the size.  So a core of
 * ours always has those, and leaves out the components that no debugger knows.
 */
#include <string.h>

#include "rfork/arch.h"

#define FXSAVE_BYTES RF_ARCH_CORE_FLOAT_BYTES
#define MXCSR_OFFSET 24u
#define MXCSR_MASK_OFFSET 28u
#define XCR0_OFFSET                                                                                \
	464u /* what software may use of FXSAVE; here the kernel writes XCR0 into a core */
#define XSTATE_BV_OFFSET 512u
#define HEADER_END 576u
#define X87_AND_SSE UINT64_C(3)
#define SHOWN UINT64_C(0x2e7) /* and AVX, AVX-512, PKRU */
#define MXCSR_MASK 0xffffu

static uint64_t load64(const unsigned char *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static void store64(unsigned char *to, uint64_t value)
{
	memcpy(to, &value, sizeof(value));
}

void rf_arch_core_layout(struct rf_xsave_layout *layout, const struct rf_machine_facts *facts,
			 const struct rf_image_thread *thread, const unsigned char *xsave)
{
	uint64_t features = facts->xcr0;

	if (!features && thread->xsave_bytes >= HEADER_END)
		features = load64(xsave + XCR0_OFFSET);
	rf_arch_xsave_known(layout, features & SHOWN, false);
}

/* Of a CPU without XSAVE; of a thread in a call, where nothing is live but what a call preserves;
 * or what is sure of an area whose layout nobody knows. */
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
	store64(area + XSTATE_BV_OFFSET, X87_AND_SSE);
}

/* Whether an area could be put into our layout, without the components that it does not have. */
static bool convert(unsigned char *area, const struct rf_xsave_layout *layout,
		    const unsigned char *xsave, uint32_t bytes)
{
	unsigned char shown[RF_IMAGE_MAX_XSAVE_BYTES];
	struct rf_xsave_layout from;
	struct rf_report report = { 0 };

	if (rf_arch_xsave_guess(&from, xsave, bytes, &report) < 0)
		return false;
	memcpy(shown, xsave, bytes);
	store64(shown + XSTATE_BV_OFFSET, load64(xsave + XSTATE_BV_OFFSET) & layout->features);
	return rf_arch_xsave_convert(area, layout, shown, &from, &report) == 0;
}

void rf_arch_core_state(unsigned char area[RF_ARCH_CORE_STATE_BYTES],
			const struct rf_xsave_layout *layout, const struct rf_image_thread *thread,
			const unsigned char *xsave)
{
	memset(area, 0, RF_ARCH_CORE_STATE_BYTES);
	if (thread->xsave_bytes < HEADER_END || !convert(area, layout, xsave, thread->xsave_bytes))
		make_legacy(area, thread, xsave);
	store64(area + XCR0_OFFSET, layout->features);
}
