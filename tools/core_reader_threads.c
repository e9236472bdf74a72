/* SPDX-License-Identifier: MIT */
/*
 * Threads of a core: registers, vector state, pending signals.  The thread that has the process's
 * id becomes the first, whichever got the signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "tools/core_reader_parts.h"

#define LIVE_OFFSET 512u /* XSTATE_BV */
#define FEATURES_OFFSET 464u
#define PLAIN_BYTES 576u
#define X87_AND_SSE UINT64_C(3)
#define MASKS_AND_ZMM UINT64_C(0x60) /* AVX-512 k, and the upper halves of zmm0 to 15 */

/* -- vector state ----------------------------------------------------------------------------- */

static uint64_t load64(const unsigned char *bytes, size_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* Like all that follows it: 0, or a negative errno with a report that does not say which thread it
 * is. */
static int give_state(struct rf_reader_thread *thread, const void *area, size_t bytes,
		      struct rf_report *report)
{
	thread->xsave = malloc(bytes);
	if (!thread->xsave)
		return rf_report(report, ENOMEM, "no memory for its vector state");
	memcpy(thread->xsave, area, bytes);
	thread->image.xsave_bytes = (uint32_t)bytes;
	return 0;
}

/* A machine without XSAVE, or a writer that leaves it out: x87 and SSE. */
static int take_fpregs(const struct core_thread *from, struct rf_reader_thread *thread,
		       struct rf_report *report)
{
	unsigned char area[PLAIN_BYTES] = { 0 };
	const uint64_t features = X87_AND_SSE;

	if (!from->fpregs)
		return rf_report(report, ENOTSUP, "its floating point registers are missing");
	memcpy(area, from->fpregs, FEATURES_OFFSET);
	memcpy(area + FEATURES_OFFSET, &features, sizeof(features));
	memcpy(area + LIVE_OFFSET, &features, sizeof(features));
	return give_state(thread, area, sizeof(area), report);
}

/* The layout is described: if it is none that can be told from the area itself, it becomes one. */
static int take_described(const struct core *core, const struct core_thread *from,
			  struct rf_reader_thread *thread, struct rf_report *report)
{
	struct rf_xsave_layout table, guess;
	unsigned char area[RF_IMAGE_MAX_XSAVE_BYTES];
	int error = rf_arch_xsave_table(&table, core->table, core->table_bytes, report);

	if (error < 0)
		return error;
	if (rf_arch_xsave_guess(&guess, from->xsave, from->xsave_bytes, NULL) == 0 &&
	    memcmp(guess.offset, table.offset, sizeof(table.offset)) == 0)
		return give_state(thread, from->xsave, from->xsave_bytes, report);
	if (table.bytes > from->xsave_bytes)
		return rf_report(report, EBADMSG, "its XSAVE area of %zu bytes is cut off",
				 from->xsave_bytes);
	if (!rf_arch_xsave_known(&guess, table.features, false) || guess.bytes > sizeof(area))
		return rf_report(report, ENOTSUP, "its XSAVE area has unknown components");
	error = rf_arch_xsave_convert(area, &guess, from->xsave, &table, report);
	return error < 0 ? error : give_state(thread, area, guess.bytes, report);
}

/*
 * gdb before 14 takes the kernel's area for one of Intel's layout: what lies at Intel's offsets it
 * writes back to where it was, and leaves zeros between.  On a processor by AMD the area so is
 * right but for the masks and the upper halves of zmm0 to zmm5, and too long.  Nothing in it says
 * so; but the same vdso is that of this machine.
 */
static bool is_misread_by_gdb(const struct core *core, const struct core_thread *from)
{
	const uint64_t features = load64(from->xsave, FEATURES_OFFSET);
	struct rf_xsave_layout packed, spread;

	return core->is_by_gdb && features == core->here.xcr0 &&
	       core->here.vdso_digest == core->source->image.vdso.digest &&
	       rf_arch_xsave_known(&packed, features, true) &&
	       rf_arch_xsave_known(&spread, features, false) &&
	       packed.bytes == core->here.xsave_bytes && spread.bytes == from->xsave_bytes &&
	       packed.bytes < spread.bytes;
}

static int take_misread(struct core *core, const struct core_thread *from,
			struct rf_reader_thread *thread, struct rf_report *report)
{
	bool is_in_call = (int64_t)core_registers(from).orig_rax >= 0;

	/* a function that makes a system call has no values in them, by the ABI */
	if (load64(from->xsave, LIVE_OFFSET) & MASKS_AND_ZMM && !is_in_call &&
	    core->misread_count++ == 0)
		core->misread_tid = thread->image.tid;
	return give_state(thread, from->xsave, core->here.xsave_bytes, report);
}

static int take_xsave(struct core *core, const struct core_thread *from,
		      struct rf_reader_thread *thread, struct rf_report *report)
{
	struct rf_xsave_layout layout;
	int error = rf_arch_xsave_check(from->xsave, from->xsave_bytes, report);

	if (error < 0)
		return error;
	if (core->table)
		return take_described(core, from, thread, report);
	if (is_misread_by_gdb(core, from))
		return take_misread(core, from, thread, report);
	if (from->xsave_bytes != core->here.xsave_bytes ||
	    load64(from->xsave, FEATURES_OFFSET) != core->here.xcr0)
		error = rf_arch_xsave_guess(&layout, from->xsave, from->xsave_bytes, report);
	return error < 0 ? error : give_state(thread, from->xsave, from->xsave_bytes, report);
}

/* -- signals ---------------------------------------------------------------------------------- */

/* The kernel ends all threads of a process that dumps core by SIGKILL. */
static uint64_t pending_signals(const struct core_thread *thread)
{
	const uint64_t ending = UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1);

	return thread->status.pr_sigpend & ~ending;
}

static int take_pending(struct core *core, const struct core_thread *from, uint32_t thread)
{
	struct rf_image *image = &core->source->image;

	for (int signal = 1; signal <= RF_IMAGE_SIGNALS; signal++) {
		struct rf_image_pending *pending;

		if (!(pending_signals(from) >> (signal - 1) & 1))
			continue;
		if (image->pending_count == RF_IMAGE_MAX_PENDING)
			return core_report(core, ENOTSUP, "more than %u signals are pending",
					   RF_IMAGE_MAX_PENDING);
		pending = reallocarray(image->pending, image->pending_count + 1, sizeof(*pending));
		if (!pending)
			return core_no_memory(core);
		image->pending = pending;
		pending += image->pending_count++;
		*pending =
			(struct rf_image_pending){ .flags = RF_PENDING_THREAD, .thread = thread };
		pending->signal = signal; /* who sent it is not said */
	}
	return 0;
}

/* -- threads ---------------------------------------------------------------------------------- */

static int take_thread(struct core *core, const struct core_thread *from, uint32_t index)
{
	struct rf_reader_thread *thread = &core->source->image.threads[index];
	struct rf_report report = { 0 };
	int error;

	core->source->image.threads_read++;
	thread->image.tid = (uint32_t)from->status.pr_pid;
	thread->image.registers = core_registers(from);
	thread->image.signal_mask = from->status.pr_sighold;
	thread->image.altstack_flags = SS_DISABLE;
	thread->image.flags = RF_THREAD_INTERRUPTED;
	rf_arch_leave_call(&thread->image.registers, false);
	rf_arch_leave_trap(&thread->image.registers);
	error = from->xsave ? take_xsave(core, from, thread, &report)
			    : take_fpregs(from, thread, &report);
	if (error < 0)
		return core_report(core, -error, "thread %u: %s", thread->image.tid,
				   report.sentence);
	memcpy(&thread->image.x87_control, thread->xsave, sizeof(thread->image.x87_control));
	memcpy(&thread->image.mxcsr, thread->xsave + 24, sizeof(thread->image.mxcsr));
	if (rf_arch_check_thread(&thread->image, &report) < 0)
		return core_report(core, EBADMSG,
				   "thread %u: the registers are not those of 64-bit user code",
				   thread->image.tid);
	return take_pending(core, from, index);
}

/* The one that has the process's id; the first if that has ended. */
static size_t find_main_thread(const struct core *core)
{
	for (size_t i = 0; i < core->thread_count; i++)
		if (core->threads[i].status.pr_pid == core->process.pr_pid)
			return i;
	return 0;
}

int core_take_threads(struct core *core)
{
	struct rf_image *image = &core->source->image;
	size_t main_thread = find_main_thread(core);
	int error;

	image->threads = calloc(core->thread_count, sizeof(*image->threads));
	if (!image->threads)
		return core_no_memory(core);
	error = take_thread(core, &core->threads[main_thread], 0);
	for (size_t i = 0, index = 1; i < core->thread_count && error == 0; i++)
		if (i != main_thread)
			error = take_thread(core, &core->threads[i], (uint32_t)index++);
	if (error < 0)
		return error;
	return core_lose_of_threads(
		core, core->misread_count, core->misread_tid,
		"k0 to k7 and the upper halves of zmm0 to zmm5, which this gcore does not write on processors by AMD");
}
