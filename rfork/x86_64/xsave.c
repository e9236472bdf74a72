/* SPDX-License-Identifier: MIT */
/*
 * XSAVE areas of other machines.  In standard format each state component has a fixed place, which
 * differs between makers of processors: Intel keeps a component's place also where an earlier one
 * is missing, AMD puts one behind the other.  The kernel drops a state that does not fit its own
 * layout without an error, so whatever restores a thread comes through here.  Freestanding: no
 * malloc, no errno.
 * Source: Intel SDM volume 1, 13.4; AMD APM volume 2, 11.5; Linux, arch/x86/kernel/fpu/xstate.c.
 */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "rfork/arch.h"

#define LEGACY_BYTES 512u
#define HEADER_BYTES 64u
#define FIRST_OFFSET (LEGACY_BYTES + HEADER_BYTES)
#define MXCSR_OFFSET 24u
/* XCR0 of the machine, in bytes that XSAVE leaves to software: the kernel puts it there in notes of
 * cores, for ptrace and in signal frames. */
#define FEATURES_OFFSET 464u
#define LIVE_OFFSET LEGACY_BYTES	 /* XSTATE_BV */
#define FORMAT_OFFSET (LEGACY_BYTES + 8) /* XCOMP_BV, then 48 bytes that must be 0 */
#define COMPACTED (UINT64_C(1) << 63)
#define X87_AND_SSE UINT64_C(3)
#define PKRU 9
#define DEFAULT_PKRU 0x55555554u /* all keys but the first are denied, and none of them is in use */

struct component {
	uint32_t bytes;
	uint32_t offset; /* on processors by Intel */
	const char *name;
};

static const struct component components[RF_XSAVE_COMPONENTS] = {
	[2] = { 256, 576, "AVX" },	   [3] = { 64, 960, "MPX bounds" },
	[4] = { 64, 1024, "MPX" },	   [5] = { 64, 1088, "AVX-512 k" },
	[6] = { 512, 1152, "ZMM upper" },  [7] = { 1024, 1664, "ZMM 16 to 31" },
	[PKRU] = { 8, 2688, "PKRU" },	   [17] = { 64, 2752, "AMX config" },
	[18] = { 8192, 2816, "AMX tile" }, [19] = { 128, 960, "APX" },
};

static uint64_t load64(const void *area, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const unsigned char *)area + offset, sizeof(value));
	return value;
}

static void store64(void *area, size_t offset, uint64_t value)
{
	memcpy((unsigned char *)area + offset, &value, sizeof(value));
}

static void place(struct rf_xsave_layout *layout, unsigned component, uint32_t offset,
		  uint32_t bytes)
{
	layout->features |= UINT64_C(1) << component;
	layout->offset[component] = offset;
	layout->size[component] = bytes;
	if (offset + bytes > layout->bytes)
		layout->bytes = offset + bytes;
}

static struct rf_xsave_layout empty_layout(void)
{
	return (struct rf_xsave_layout){ .features = X87_AND_SSE, .bytes = FIRST_OFFSET };
}

/* -- layouts -------------------------------------------------------------------------------- */

bool rf_arch_xsave_known(struct rf_xsave_layout *layout, uint64_t features, bool is_packed)
{
	*layout = empty_layout();
	for (unsigned i = 2; i < 64; i++) {
		if (!(features >> i & 1))
			continue;
		if (i >= RF_XSAVE_COMPONENTS || !components[i].bytes)
			return false;
		place(layout, i, is_packed ? layout->bytes : components[i].offset,
		      components[i].bytes);
	}
	return true;
}

void rf_arch_xsave_here(struct rf_xsave_layout *layout, const struct rf_machine_facts *here)
{
	*layout = empty_layout();
	for (unsigned i = 2; i < RF_XSAVE_COMPONENTS; i++) {
		uint32_t bytes, offset, flags, unused;

		if (!(here->xcr0 >> i & 1))
			continue;
		__cpuid_count(0xd, i, bytes, offset, flags, unused);
		place(layout, i, offset, bytes);
	}
	/* a machine without XSAVE has an area of no more than FXSAVE */
	if (here->xsave_bytes > layout->bytes)
		layout->bytes = here->xsave_bytes;
}

int rf_arch_xsave_table(struct rf_xsave_layout *layout, const void *note, size_t note_bytes,
			struct rf_report *report)
{
	const uint32_t *entry = note;
	struct rf_xsave_layout table = empty_layout();

	if (note_bytes % 16)
		return rf_report(report, EBADMSG, "a table of state components is cut off");
	for (; note_bytes; note_bytes -= 16, entry += 4) {
		uint32_t component = entry[0], bytes = entry[1], offset = entry[2];

		if (component < 2 || component >= RF_XSAVE_COMPONENTS)
			continue; /* what is live and not in the table is refused by name */
		if (table.size[component] || bytes != components[component].bytes ||
		    offset < FIRST_OFFSET || offset > RF_IMAGE_MAX_XSAVE_BYTES - bytes)
			return rf_report(report, EBADMSG,
					 "state component %u has no possible place", component);
		place(&table, component, offset, bytes);
	}
	*layout = table;
	return 0;
}

/* -- areas ---------------------------------------------------------------------------------- */

int rf_arch_xsave_check(const void *area, size_t bytes, struct rf_report *report)
{
	uint64_t features, rest = 0;

	if (bytes < FIRST_OFFSET || bytes > RF_IMAGE_MAX_XSAVE_BYTES)
		return rf_report(report, EBADMSG, "an XSAVE area has %zu bytes", bytes);
	if (load64(area, FORMAT_OFFSET) & COMPACTED)
		return rf_report(report, ENOTSUP, "an XSAVE area is in compacted format");
	for (size_t i = FORMAT_OFFSET; i < FIRST_OFFSET; i += sizeof(rest))
		rest |= load64(area, i);
	features = load64(area, FEATURES_OFFSET);
	/* what XRSTOR would refuse, and with it the kernel */
	if (rest || load64(area, MXCSR_OFFSET) & 0xffff0000 ||
	    (features && load64(area, LIVE_OFFSET) & ~(features | X87_AND_SSE)))
		return rf_report(report, EBADMSG, "an XSAVE area has no valid header");
	return 0;
}

/* The last component of a set, without which an area may be shorter. */
static uint64_t last_of(uint64_t features)
{
	return UINT64_C(1) << (63 - __builtin_clzll(features));
}

int rf_arch_xsave_guess(struct rf_xsave_layout *layout, const void *area, size_t bytes,
			struct rf_report *report)
{
	int error = rf_arch_xsave_check(area, bytes, report);
	uint64_t live, features;

	if (error < 0)
		return error;
	live = load64(area, LIVE_OFFSET);
	features = load64(area, FEATURES_OFFSET) | live | X87_AND_SSE;
	/* gdb stops short of components that it does not know: those may be missing if they are not
	 * live */
	while (features) {
		for (int is_packed = 0; is_packed < 2; is_packed++)
			if (rf_arch_xsave_known(layout, features, is_packed) &&
			    layout->bytes == bytes)
				return 0;
		if (live & last_of(features))
			break;
		features &= ~last_of(features);
	}
	return rf_report(report, ENOTSUP,
			 "an XSAVE area of %zu bytes for features %lx has a layout "
			 "that is not known",
			 bytes, (unsigned long)load64(area, FEATURES_OFFSET));
}

/* -- from one layout to another ------------------------------------------------------------- */

/* Whether a component that is said to be live has the value that it has where nobody uses it. */
static bool is_initial(const struct rf_xsave_layout *layout, const unsigned char *area,
		       unsigned component)
{
	const unsigned char *state = area + layout->offset[component];
	uint32_t pkru;

	if (component == PKRU) {
		memcpy(&pkru, state, sizeof(pkru));
		return pkru == 0 || pkru == DEFAULT_PKRU;
	}
	for (uint32_t i = 0; i < layout->size[component]; i++)
		if (state[i])
			return false;
	return true;
}

static int report_missing(unsigned component, struct rf_report *report)
{
	if (component < RF_XSAVE_COMPONENTS && components[component].name)
		return rf_report(report, ENOEXEC,
				 "this machine lacks the %s state, which is in use",
				 components[component].name);
	return rf_report(report, ENOEXEC, "this machine lacks state component %u, which is in use",
			 component);
}

/* Copies the components, unless `to` is NULL; takes from the set those that are initial. */
static int move_components(unsigned char *to, const struct rf_xsave_layout *to_layout,
			   const unsigned char *from, const struct rf_xsave_layout *from_layout,
			   uint64_t *live, struct rf_report *report)
{
	for (unsigned i = 2; i < 64; i++) {
		uint64_t bit = UINT64_C(1) << i;

		if (!(*live & bit))
			continue;
		if (i >= RF_XSAVE_COMPONENTS || !from_layout->size[i])
			return report_missing(i, report);
		if (to_layout->size[i] != from_layout->size[i]) {
			if (!is_initial(from_layout, from, i))
				return report_missing(i, report);
			*live &= ~bit;
		} else if (to) {
			memcpy(to + to_layout->offset[i], from + from_layout->offset[i],
			       from_layout->size[i]);
		}
	}
	return 0;
}

int rf_arch_xsave_convert(void *to, const struct rf_xsave_layout *to_layout, const void *from,
			  const struct rf_xsave_layout *from_layout, struct rf_report *report)
{
	uint64_t live = load64(from, LIVE_OFFSET);
	int error;

	if (to) {
		memset(to, 0, to_layout->bytes);
		memcpy(to, from, FEATURES_OFFSET);
	}
	error = move_components(to, to_layout, from, from_layout, &live, report);
	if (error < 0 || !to)
		return error;
	store64(to, FEATURES_OFFSET, to_layout->features);
	store64(to, LIVE_OFFSET, live);
	return 0;
}

int rf_arch_xsave_fit(void *to, const struct rf_machine_facts *here, const void *area, size_t bytes,
		      struct rf_report *report)
{
	struct rf_xsave_layout from_layout, to_layout;
	int error = rf_arch_xsave_check(area, bytes, report);
	uint64_t features;

	if (error < 0)
		return error;
	features = load64(area, FEATURES_OFFSET);
	/* equal sizes of equal components leave no room for another order */
	if (bytes == here->xsave_bytes && (!features || features == here->xcr0) &&
	    !(load64(area, LIVE_OFFSET) & ~here->xcr0)) {
		if (to)
			memcpy(to, area, bytes);
		return 0;
	}
	error = rf_arch_xsave_guess(&from_layout, area, bytes, report);
	if (error < 0)
		return error;
	rf_arch_xsave_here(&to_layout, here);
	return rf_arch_xsave_convert(to, &to_layout, area, &from_layout, report);
}
