/* SPDX-License-Identifier: MIT */
/*
 * The signal frame with which rt_sigreturn restores a thread at once: registers,
 * vector state, signal mask, alternate stack.  Called by the shell.
 * Source of the layouts: Linux, arch/x86/include/uapi/asm/sigcontext.h and ucontext.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/x86_64/sigframe.h"

#define FEATURE_X87 UINT64_C(1)
#define FEATURE_SSE UINT64_C(2)
#define COMPONENT_PKRU 9
#define FEATURE_PKRU (UINT64_C(1) << COMPONENT_PKRU)
#define FRAME_ALIGNMENT 64u
#define MAX_ADDRESS UINT64_C(0x7ffffffff000)
/* CF PF AF ZF SF TF DF OF NT AC ID, and bit 1 and IF, which are always set in user mode. */
#define USER_EFLAGS UINT64_C(0x244fd7)
#define TRAP_FLAG UINT64_C(0x100)

struct signal_frame {
	uint64_t return_address; /* of the handler: popped before rt_sigreturn */
	struct kernel_ucontext ucontext;
	unsigned char siginfo[128];
};

static size_t align_up(size_t bytes)
{
	return (bytes + FRAME_ALIGNMENT - 1) & ~(size_t)(FRAME_ALIGNMENT - 1);
}

/*
 * The state comes first, for it must be aligned; the kernel's second mark follows an XSAVE area,
 * which is as long as this machine has it.
 */
static size_t state_bytes(const struct rf_machine_facts *facts,
			  const struct rf_image_thread *thread)
{
	if (facts->xsave_bytes)
		return align_up(facts->xsave_bytes + sizeof(uint32_t));
	return align_up(thread->xsave_bytes ? XSAVE_MIN_BYTES : FXSAVE_BYTES);
}

size_t rf_arch_signal_frame_bytes(const struct rf_machine_facts *facts,
				  const struct rf_image_thread *thread)
{
	return state_bytes(facts, thread) + align_up(sizeof(struct signal_frame));
}

/*
 * Where an image has no vector state, an area in which only x87, MXCSR and PKRU are not initial.  A
 * legacy area would not do: the kernel initializes what is not in it by an XRSTOR that also loads
 * MXCSR from its initial state.  Source: Linux, arch/x86/kernel/fpu/signal.c.
 */
static void build_called_state(unsigned char *state, const struct rf_machine_facts *facts,
			       const struct rf_image_thread *thread)
{
	struct fxsave *fxsave = (struct fxsave *)state;
	uint64_t live = FEATURE_X87 | FEATURE_SSE;
	struct rf_xsave_layout layout;

	/* the capture was a call: all x87 tags are empty, no vector register is live */
	fxsave->control = thread->x87_control;
	fxsave->mxcsr = thread->mxcsr;
	if (!facts->xsave_bytes)
		return;
	if (thread->flags & RF_THREAD_KEY_RIGHTS && facts->xcr0 & FEATURE_PKRU) {
		rf_arch_xsave_here(&layout, facts);
		memcpy(state + layout.offset[COMPONENT_PKRU], &thread->key_rights,
		       sizeof(thread->key_rights));
		live |= FEATURE_PKRU;
	}
	memcpy(state + FXSAVE_BYTES, &live, sizeof(live)); /* XSTATE_BV */
}

static void build_state(unsigned char *state, const struct rf_machine_facts *facts,
			const struct rf_image_thread *thread, const void *xsave)
{
	const uint32_t magic2 = XSTATE_MAGIC2;
	struct fxsave *fxsave = (struct fxsave *)state;
	size_t bytes = facts->xsave_bytes;

	memset(state, 0, state_bytes(facts, thread));
	if (thread->xsave_bytes)
		rf_arch_xsave_fit(state, facts, xsave, thread->xsave_bytes, NULL);
	else
		build_called_state(state, facts, thread);
	if (!bytes)
		return; /* a CPU without XSAVE */
	fxsave->magic1 = XSTATE_MAGIC1;
	fxsave->extended_bytes = (uint32_t)(bytes + sizeof(magic2));
	fxsave->features = facts->xcr0;
	fxsave->state_bytes = (uint32_t)bytes;
	memcpy(state + bytes, &magic2, sizeof(magic2));
}

static void build_context(struct kernel_sigcontext *context,
			  const struct rf_image_registers *registers, uint64_t result)
{
	*context = (struct kernel_sigcontext){
		.r8 = registers->r8,
		.r9 = registers->r9,
		.r10 = registers->r10,
		.r11 = registers->r11,
		.r12 = registers->r12,
		.r13 = registers->r13,
		.r14 = registers->r14,
		.r15 = registers->r15,
		.rdi = registers->rdi,
		.rsi = registers->rsi,
		.rbp = registers->rbp,
		.rbx = registers->rbx,
		.rdx = registers->rdx,
		.rax = result,
		.rcx = registers->rcx,
		.rsp = registers->rsp,
		.rip = registers->rip,
		.eflags = registers->eflags,
		.cs = USER_CS,
		.ss = USER_SS,
	};
}

uint64_t rf_arch_build_signal_frame(void *buffer, uint64_t address,
				    const struct rf_machine_facts *facts,
				    const struct rf_image_thread *thread, const void *xsave,
				    uint64_t result)
{
	size_t offset = state_bytes(facts, thread);
	struct signal_frame *frame = (struct signal_frame *)((unsigned char *)buffer + offset);
	struct kernel_ucontext *ucontext = &frame->ucontext;

	build_state(buffer, facts, thread, xsave);
	memset(frame, 0, sizeof(*frame));
	ucontext->flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS |
			  (facts->xsave_bytes ? UC_FP_XSTATE : 0);
	ucontext->stack_address = thread->altstack_address;
	ucontext->stack_flags = thread->altstack_flags;
	ucontext->stack_bytes = thread->altstack_bytes;
	ucontext->signal_mask = thread->signal_mask;
	build_context(&ucontext->context, &thread->registers,
		      thread->flags & RF_THREAD_INTERRUPTED ? thread->registers.rax : result);
	ucontext->context.fpstate = address;
	return address + offset + offsetof(struct signal_frame, ucontext);
}

int rf_arch_check_thread(const struct rf_image_thread *thread, struct rf_report *report)
{
	const struct rf_image_registers *registers = &thread->registers;
	bool is_user_code = registers->cs == USER_CS && registers->ss == USER_SS &&
			    !(registers->ds | registers->es | registers->fs | registers->gs) &&
			    !(registers->eflags & (~USER_EFLAGS | TRAP_FLAG));
	bool is_user_memory = registers->rip < MAX_ADDRESS && registers->rsp < MAX_ADDRESS &&
			      registers->fs_base < MAX_ADDRESS && registers->gs_base < MAX_ADDRESS;

	if (!is_user_code || !is_user_memory || thread->mxcsr >> 16 ||
	    (thread->xsave_bytes && thread->xsave_bytes < XSAVE_MIN_BYTES))
		return rf_report(report, EBADMSG,
				 "the image is corrupt: the registers are not those of user code");
	return 0;
}
