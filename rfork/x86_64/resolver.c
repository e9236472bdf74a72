/* SPDX-License-Identifier: MIT */
/*
 * Room for vector registers in glibc's dynamic linker.  At the first call of a function that is
 * bound lazily it saves them with XSAVE, on the stack, in an area as long as the CPU's was when the
 * program started; a CPU with more of them would write beyond it, over the caller's frame.  Called
 * by state.c in a process that has come to another machine, and by approach.c before it goes.
 *
 * The length is a variable of glibc's, which no interface gives: it is behind the features that
 * c_library.c reads, and is believed only if it fits what is known of the CPU.  Source: glibc 2.33
 * to 2.41, sysdeps/x86/include/cpu-features.h, sysdeps/x86_64/dl-trampoline.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "rfork/arch.h"
#include "rfork/sys.h"
#include "rfork/x86_64/features.h"

#define PAGE_BYTES 4096u
#define ALIGNMENT 64u
/* FXSAVE and the header; and more than any CPU has. */
#define LEAST_BYTES 576u
#define MOST_BYTES (64u << 10)
#define XSAVEC (1u << 1)

/* The area of one that saves only what is in use, and of one that saves all. */
struct sizes {
	uint32_t *area, *whole;
};

static uint64_t align_up(uint64_t bytes)
{
	return (bytes + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

/* -- where they are ---------------------------------------------------------------------------- */

#if __has_include(<sys/platform/x86.h>)

#include <sys/platform/x86.h>

#define MOST_LEAVES 64u

static bool is_size(uint64_t bytes, uint64_t least)
{
	return bytes >= least && bytes % ALIGNMENT == 0;
}

static bool fits(const struct sizes *sizes, uint32_t xsave_bytes)
{
	return is_size(*sizes->whole, xsave_bytes) && *sizes->whole <= MOST_BYTES &&
	       is_size(*sizes->area, LEAST_BYTES) && *sizes->area <= *sizes->whole;
}

static bool find_sizes(struct sizes *sizes, uint32_t xsave_bytes)
{
	const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(0);
	unsigned leaves = 1;
	uint32_t *next;

	while (leaves < MOST_LEAVES && __x86_get_cpuid_feature_leaf(leaves) == leaf + leaves)
		leaves++;
	next = (uint32_t *)(uintptr_t)(leaf + leaves);
	next += 2; /* preferences, level */
	*sizes = (struct sizes){ next, next + 1 };
	if (fits(sizes, xsave_bytes))
		return true;
	/* before 2.39 the first is a long */
	next += (uintptr_t)next % sizeof(long) ? 1 : 0;
	*sizes = (struct sizes){ next, next + 2 };
	return next[1] == 0 && fits(sizes, xsave_bytes);
}

#else

static bool find_sizes(struct sizes *sizes, uint32_t xsave_bytes)
{
	(void)sizes;
	(void)xsave_bytes;
	return false;
}

#endif

/* -- whether they suffice ---------------------------------------------------------------------- */

/* An area of XSAVEC depends on what there is, not on where makers of processors put it. */
static bool suffices(const struct rf_machine_facts *started, uint64_t xcr0, uint32_t xsave_bytes)
{
	return xsave_bytes <= started->xsave_bytes ||
	       started->xsave_bytes < LEAST_BYTES || /* it takes FXSAVE */
	       (xcr0 == started->xcr0 && started->cpu[RF_WORD_D_1_EAX] & XSAVEC);
}

static bool binds_at_start(void)
{
	const char *value = getenv("LD_BIND_NOW");

	return value && *value;
}

int rf_arch_check_resolver(const struct rf_machine_facts *started,
			   const struct rf_machine_facts *node, struct rf_report *report)
{
	struct sizes sizes;

	if (suffices(started, node->xcr0, node->xsave_bytes) || binds_at_start() ||
	    find_sizes(&sizes, started->xsave_bytes))
		return 0;
	return rf_report(report, ENOEXEC,
			 "the node's CPU has %u bytes of vector state, for which this program's "
			 "dynamic linker has no room (%u); LD_BIND_NOW=1 makes do without",
			 node->xsave_bytes, started->xsave_bytes);
}

/* -- more room --------------------------------------------------------------------------------- */

/* The linker's own constants are read-only once it has started. */
static bool write_constant(uint32_t *variable, uint32_t value)
{
	const struct iovec from = { &value, sizeof(value) }, to = { variable, sizeof(*variable) };
	uintptr_t page = (uintptr_t)variable & ~(uintptr_t)(PAGE_BYTES - 1);

	if (rf_syscall(SYS_process_vm_writev, rf_syscall(SYS_getpid), &from, 1, &to, 1, 0) ==
	    (long)sizeof(value))
		return true; /* it was writable after all */
	if (rf_syscall(SYS_mprotect, page, PAGE_BYTES, PROT_READ | PROT_WRITE) < 0)
		return false;
	*variable = value;
	return rf_syscall(SYS_mprotect, page, PAGE_BYTES, PROT_READ) == 0;
}

void rf_arch_widen_resolver(struct rf_machine_facts *started)
{
	uint32_t xsave_bytes, more;
	uint64_t xcr0;
	struct sizes sizes;

	/* most come from the like, and the question leaves a virtual machine */
	rf_vector_state(&xcr0, NULL);
	if (suffices(started, xcr0, UINT32_MAX))
		return;
	rf_vector_state(&xcr0, &xsave_bytes);
	if (suffices(started, xcr0, xsave_bytes) || !find_sizes(&sizes, started->xsave_bytes))
		return;
	more = (uint32_t)align_up(xsave_bytes + *sizes.whole - started->xsave_bytes);
	if (write_constant(sizes.area, more) && write_constant(sizes.whole, more)) {
		started->xcr0 = xcr0;
		started->xsave_bytes = xsave_bytes;
	}
}
