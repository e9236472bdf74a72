/* SPDX-License-Identifier: MIT */
/*
 * Signal frames on the stack of a thread that was captured in a handler, or below one.  The kernel
 * has put the vector registers of the interrupted code there, in the layout of the CPU that it ran
 * on, and restores them when the handler returns.  A frame whose length is not that of its own
 * CPU's it takes for one without vector registers, and sets them to zero without a word; so each is
 * brought into the layout of this machine.  Called by restore_region.c when all memory is in its
 * place.  Freestanding.  Source: Linux, arch/x86/kernel/fpu/signal.c: check_xstate_in_sigframe(),
 * since 6.8 by the kernel's own length, before by the frame's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/x86_64/sigframe.h"

/* Frames are looked for so far above the stack pointer: a handler uses less. */
#define MOST_STACK_BYTES (UINT64_C(1) << 20)
/* Handlers on a stack of their own have interrupted another stack, and so on. */
#define MOST_STACKS 8u
#define KNOWN_FLAGS (UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS)
#define UCONTEXT_ALIGNMENT 16u
#define XSTATE_ALIGNMENT 64u
/* XCR0 of the machine, where areas that are no frame's have it. */
#define FEATURES_OFFSET 464u

/* A frame, as it lies in memory. */
struct frame {
	struct kernel_ucontext *ucontext;
	unsigned char *state;
	struct fxsave head; /* of the state */
};

/* -- recognition ------------------------------------------------------------------------------- */

static bool is_user_context(const struct kernel_ucontext *ucontext)
{
	const struct kernel_sigcontext *context = &ucontext->context;

	return ucontext->flags & UC_FP_XSTATE && !(ucontext->flags & ~(uint64_t)KNOWN_FLAGS) &&
	       ucontext->link == 0 && context->cs == USER_CS &&
	       (context->ss == USER_SS || context->ss == 0) && context->fpstate &&
	       context->fpstate % XSTATE_ALIGNMENT == 0;
}

static bool has_marks(struct frame *frame, const struct rf_arch_memory *memory)
{
	uint64_t address = frame->ucontext->context.fpstate;
	const unsigned char *state = memory->at(memory->context, address, XSAVE_MIN_BYTES);
	uint32_t magic2;

	if (!state)
		return false;
	memcpy(&frame->head, state, sizeof(frame->head));
	if (frame->head.magic1 != XSTATE_MAGIC1 || frame->head.state_bytes < XSAVE_MIN_BYTES ||
	    frame->head.state_bytes > RF_IMAGE_MAX_XSAVE_BYTES ||
	    frame->head.extended_bytes < frame->head.state_bytes + sizeof(magic2))
		return false;
	frame->state = memory->at(memory->context, address, frame->head.extended_bytes);
	if (!frame->state)
		return false;
	memcpy(&magic2, frame->state + frame->head.state_bytes, sizeof(magic2));
	return magic2 == XSTATE_MAGIC2;
}

/* -- conversion -------------------------------------------------------------------------------- */

static bool is_native(const struct frame *frame, const struct rf_machine_facts *here)
{
	return frame->head.state_bytes == here->xsave_bytes && frame->head.features == here->xcr0;
}

/*
 * Where the state goes: where it was, if that has room, also from a machine with more of it on
 * which the frame was made; else into spare memory, for behind a frame is the stack of the
 * interrupted code.
 */
static unsigned char *find_room(struct frame *frame, uint32_t bytes, struct rf_arch_spare *spare)
{
	uint64_t needed = (bytes + XSTATE_ALIGNMENT - 1) & ~(uint64_t)(XSTATE_ALIGNMENT - 1);
	unsigned char *room = spare->memory + spare->used;

	if (frame->head.extended_bytes >= bytes)
		return frame->state;
	if (spare->bytes - spare->used < needed)
		return NULL;
	frame->ucontext->context.fpstate = spare->address + spare->used;
	frame->head.extended_bytes = bytes;
	spare->used += needed;
	return room;
}

static int convert(struct frame *frame, const struct rf_machine_facts *here,
		   struct rf_arch_spare *spare, struct rf_report *report)
{
	static unsigned char area[RF_IMAGE_MAX_XSAVE_BYTES], result[RF_IMAGE_MAX_XSAVE_BYTES];
	const uint32_t magic2 = XSTATE_MAGIC2;
	const bool has_xsave = here->xsave_bytes >= XSAVE_MIN_BYTES;
	const uint32_t bytes = has_xsave ? here->xsave_bytes : FXSAVE_BYTES;
	unsigned char *room;
	int error;

	memcpy(area, frame->state, frame->head.state_bytes);
	memset(area + FEATURES_OFFSET, 0, FXSAVE_BYTES - FEATURES_OFFSET);
	memcpy(area + FEATURES_OFFSET, &frame->head.features, sizeof(frame->head.features));
	error = rf_arch_xsave_fit(result, here, area, frame->head.state_bytes, report);
	if (error < 0)
		return error;
	room = find_room(frame, bytes + (uint32_t)sizeof(magic2), spare);
	if (!room)
		return rf_report(
			report, ENOEXEC,
			"signal handlers have interrupted each other %zu times and more, and "
			"this machine's vector state is larger than their frames",
			spare->used / (bytes + sizeof(magic2)));
	frame->head.magic1 = has_xsave ? XSTATE_MAGIC1 : 0;
	frame->head.features = here->xcr0;
	frame->head.state_bytes = bytes;
	memcpy(room, result, bytes);
	memcpy(room + offsetof(struct fxsave, magic1), &frame->head.magic1,
	       FXSAVE_BYTES - offsetof(struct fxsave, magic1));
	if (has_xsave)
		memcpy(room + bytes, &magic2, sizeof(magic2));
	return 0;
}

/* -- stacks ------------------------------------------------------------------------------------ */

/* What of a stack is in use, upwards from the stack pointer. */
struct stack {
	uint64_t start, end;
};

static bool measure(struct stack *stack, const struct rf_arch_memory *memory, uint64_t pointer)
{
	stack->start = (pointer + UCONTEXT_ALIGNMENT - 1) & ~(uint64_t)(UCONTEXT_ALIGNMENT - 1);
	stack->end = memory->end(memory->context, stack->start, MOST_STACK_BYTES);
	return stack->end > stack->start;
}

/* Converts the frames of one stack; *next is the stack pointer of code on another that a handler on
 * this one has interrupted, or 0. */
static int fit_stack(const struct stack *stack, const struct rf_machine_facts *here,
		     const struct rf_arch_memory *memory, struct rf_arch_spare *spare,
		     uint64_t *next, struct rf_report *report)
{
	unsigned char *bytes = memory->at(memory->context, stack->start, stack->end - stack->start);
	uint64_t last = stack->end - stack->start;
	int error = 0;

	*next = 0;
	if (!bytes || last < sizeof(struct kernel_ucontext))
		return 0;
	last -= sizeof(struct kernel_ucontext);
	for (uint64_t i = 0; i <= last && error == 0; i += UCONTEXT_ALIGNMENT) {
		struct kernel_ucontext *ucontext = (struct kernel_ucontext *)(bytes + i);
		struct frame frame;
		uint64_t pointer;

		if (!is_user_context(ucontext))
			continue;
		frame = (struct frame){ .ucontext = ucontext };
		if (!has_marks(&frame, memory))
			continue;
		pointer = frame.ucontext->context.rsp;
		if (pointer < stack->start || pointer > stack->end)
			*next = pointer;
		if (!is_native(&frame, here))
			error = convert(&frame, here, spare, report);
	}
	return error;
}

int rf_arch_fit_signal_frames(const struct rf_image_thread *thread,
			      const struct rf_machine_facts *here,
			      const struct rf_arch_memory *memory, struct rf_arch_spare *spare,
			      struct rf_report *report)
{
	uint64_t pointer = thread->registers.rsp;
	struct stack stack;
	int error = 0;

	for (unsigned i = 0; i < MOST_STACKS && pointer && error == 0; i++) {
		if (!measure(&stack, memory, pointer))
			break;
		error = fit_stack(&stack, here, memory, spare, &pointer, report);
	}
	return error;
}
