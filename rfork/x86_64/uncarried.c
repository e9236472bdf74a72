/* SPDX-License-Identifier: MIT */
/*
 * State of a process that only this architecture has, and that is in no image.  fork(2) passes all
 * of it on, so a process that has some is refused.  Called where others of its attributes are asked
 * for.
 */
#define _GNU_SOURCE
#include <stddef.h>

#include "rfork/arch.h"
#include "rfork/attributes.h"
#include "rfork/sys.h"

/* arch/x86/include/uapi/asm/prctl.h of Linux 4.12, 6.4 and 6.6, and asm/ldt.h. */
#define GET_CPUID 0x1011
#define GET_UNTAG_MASK 0x4001
#define SHADOW_STACK_STATUS 0x5005
#define READ_TABLE 0
#define ENTRY_BYTES 8u

static bool has_segments(const struct rf_attribute_source *source)
{
	uint64_t entry = 0;

	/* a table that has no entries is told as no bytes; one that has is padded with zeros */
	return source->call(source->context, SYS_modify_ldt,
			    (const uint64_t[5]){ READ_TABLE, 0, ENTRY_BYTES }, &entry,
			    sizeof(entry), 1) > 0;
}

/* What is stored by an arch_prctl(2) that this kernel knows, else `without`. */
static uint64_t ask(const struct rf_attribute_source *source, uint64_t code, uint64_t without)
{
	uint64_t answer = without;
	long error = source->call(source->context, SYS_arch_prctl, (const uint64_t[5]){ code },
				  &answer, sizeof(answer), 1);

	return error < 0 ? without : answer;
}

static bool has_cpuid(const struct rf_attribute_source *source)
{
	return source->call(source->context, SYS_arch_prctl, (const uint64_t[5]){ GET_CPUID }, NULL,
			    0, 0) != 0;
}

const char *rf_arch_name_uncarried(const struct rf_attribute_source *source)
{
	if (has_segments(source))
		return "segments: a table of its own, made by modify_ldt(2)";
	if (ask(source, SHADOW_STACK_STATUS, 0))
		return "shadow stack: it cannot be made elsewhere";
	if (~ask(source, GET_UNTAG_MASK, UINT64_MAX))
		return "tagged addresses: the process has enabled them (ARCH_ENABLE_TAGGED_ADDR)";
	if (!has_cpuid(source))
		return "CPUID: the process has forbidden it (ARCH_SET_CPUID)";
	return NULL;
}
