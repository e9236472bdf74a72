/* SPDX-License-Identifier: MIT */
/*
 * Everything that an architecture must provide, with its contracts.  A port is an
 * implementation of this header in a folder beside x86_64/.
 */
#ifndef RF_ARCH_H
#define RF_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_format.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/restore_plan.h"

/* -- capture (capture.S, registers.c) -------------------------------------------- */

/* What a function call must preserve: all that is live at the capture point. */
struct rf_arch_context {
	uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
	uint32_t mxcsr;
	uint16_t x87_control;
	uint16_t reserved;
};

/*
 * The capture point.  Saves the caller's registers in *context, then calls continuation(argument)
 * on the stack that ends at stack_top (16-byte aligned).  No byte outside *context and that stack
 * is written.
 *
 * Returns in the restored thread: the address of its struct rf_arrival.  In the process that was
 * captured it returns NULL, if the continuation returns.
 */
struct rf_arrival *rf_arch_capture(struct rf_arch_context *context, void *stack_top,
				   void (*continuation)(void *), void *argument);

/* What the calling thread may do with memory under protection keys: the register.  Only where the
 * kernel has such keys (protection_keys.h). */
uint32_t rf_arch_key_rights(void);
void rf_arch_set_key_rights(uint32_t rights);

/* A page at which no process can have memory: the end of what it can have. */
#define RF_ARCH_NO_MEMORY UINT64_C(0x7ffffffff000)

/* Fills registers, mxcsr and x87_control of a thread from a context and the calling thread's
 * fs and gs base. */
void rf_arch_thread_from_context(struct rf_image_thread *thread,
				 const struct rf_arch_context *context);

/*
 * Starts a thread of the calling process that shares everything with it and calls entry(argument)
 * on the stack that ends at stack_top (16-byte aligned), for frozen code.  *running is not 0, and
 * a futex that is woken, until the thread has left that stack for good.  0 and more, or a
 * negative errno.  (thread.S)
 */
long rf_arch_start_thread(void *stack_top, void (*entry)(void *), void *argument, int *running);

/*
 * Starts another process, as clone(2) does with such flags (CLONE_VM among them, and nothing that
 * takes a further argument), that calls entry(argument) on the stack that ends at stack_top
 * (16-byte aligned), and then exits: for frozen code, and for what must not share a stack with its
 * parent.  Its pid, or a negative errno.  (thread.S)
 */
long rf_arch_start_process(unsigned long flags, void *stack_top, void (*entry)(void *),
			   void *argument);

/* -- the ghost (signal_return.S) ---------------------------------------------------- */

/* The restorer of a signal action, sigreturn(2): only the kernel jumps to it. */
void rf_arch_signal_return(void);

/* -- a process that is stopped (stopped_thread.c) ----------------------------------- */

enum rf_arch_code {
	RF_CODE_SYSTEM_CALL,	  /* a system call, then a return */
	RF_CODE_SIGNAL_RETURN,	  /* sigreturn(2), as signal handlers return to it */
	RF_CODE_BARE_SYSTEM_CALL, /* a system call, and whatever comes then */
};

/* Finds such instructions in code that a process has mapped; their offset, or -1. */
long rf_arch_find_code(enum rf_arch_code what, const unsigned char *text, size_t bytes);

/*
 * Turns registers into those with which a thread makes a system call: it goes on at `code`, which
 * is such instructions, on `stack`.
 */
void rf_arch_begin_call(struct rf_image_registers *registers, uint64_t code, uint64_t stack,
			long number, const uint64_t arguments[6]);

/* Whether the registers are those of that call as it begins; and what it has returned, once it
 * has. */
bool rf_arch_is_call(const struct rf_image_registers *registers, uint64_t code, long number);
long rf_arch_call_result(const struct rf_image_registers *registers);

/*
 * How the stack must be for a return into `sigreturn` to restore a thread from the frame that
 * rf_arch_build_signal_frame() has built: the frame as it lies in memory is completed.  `stack`
 * is what that returned, `address` where the buffer will lie.  Returns the stack pointer for the
 * return.
 */
uint64_t rf_arch_return_to_frame(void *buffer, uint64_t address, uint64_t stack,
				 uint64_t sigreturn);

/* Bytes below the stack pointer that belong to the function that runs. */
#define RF_ARCH_RED_ZONE_BYTES 128u

/* -- a thread that was stopped anywhere (interrupted.c) ------------------------------ */

/*
 * Registers of a thread that was stopped in the middle of a system call, as the kernel shows them
 * to a debugger or in a core, become those with which it goes on in another process: it makes the
 * call again, or that returns -EINTR, where it cannot be made again or `is_signalled`: a handler
 * is about to run that lets calls return.  Others are left alone.
 */
void rf_arch_leave_call(struct rf_image_registers *registers, bool is_signalled);

/* Clears the flags of a trap that are in what a core says. */
void rf_arch_leave_trap(struct rf_image_registers *registers);

/* -- what cannot go (uncarried.c) ---------------------------------------------------- */

struct rf_attribute_source;

/* State of a process that only this architecture has and no image can hold, in words; NULL = there
 * is none.  A few system calls. */
const char *rf_arch_name_uncarried(const struct rf_attribute_source *source);

/* -- facts of the machine (cpu.c) -------------------------------------------------- */

/* Where the addresses that a program can have end. */
uint64_t rf_arch_max_address(void);

/* Fills architecture, xcr0, xsave_bytes, cpu_words, cpu and max_address. */
void rf_arch_machine_facts(struct rf_machine_facts *facts);

/* Whether such facts, of this boot, may stand for those of this machine: as far as can be seen
 * without questions that leave a virtual machine, they are what this library would find. */
bool rf_arch_facts_hold(const struct rf_machine_facts *facts);

/* Appends to text the names of CPU features that are among the caller's and not the node's, and
 * of state components that the node lacks and that such features of the caller's use as are in its
 * facts, separated by ", "; returns how many. */
size_t rf_arch_missing_features(const struct rf_machine_facts *caller,
				const struct rf_machine_facts *node, char *text, size_t bytes);

/* -- what of it the process uses (c_library.c) ---------------------------------------- */

/* What the C library found at the start of the process, in the order of facts->cpu, and what of
 * that it uses: its user may have masked the rest. */
struct rf_arch_c_library {
	uint32_t present[RF_CPU_WORDS];
	uint32_t active[RF_CPU_WORDS];
	bool prefers_avx; /* it uses AVX even if that is not active */
};

/* Fills it for the C library of the calling process; false if that does not tell. */
bool rf_arch_ask_c_library(struct rf_arch_c_library *library);

/*
 * Takes from the features of this machine those that the process does not use: nothing, unless some
 * have been masked; then all that have been, and all that the C library neither uses nor lets
 * anybody mask.
 */
void rf_arch_drop_masked(struct rf_machine_facts *facts, const struct rf_arch_c_library *library);

/* -- the dynamic linker of the process (resolver.c) ---------------------------------- */

/*
 * Whether the process, which started on a machine with these facts, or was prepared for one by
 * rf_arch_widen_resolver(), can bind functions on the node, or be prepared for it there.  0, or
 * -ENOEXEC with a report.
 */
int rf_arch_check_resolver(const struct rf_machine_facts *started,
			   const struct rf_machine_facts *node, struct rf_report *report);

/* Prepares the calling process, which comes from such a machine, for this one; the facts are then
 * those of this one, as far as they matter. */
void rf_arch_widen_resolver(struct rf_machine_facts *started);

/* -- vector state of other machines (xsave.c) ---------------------------------------- */

/*
 * Where the state components lie in an XSAVE area in standard format.  An area tells its layout
 * by its length and by the components that its machine had (XCR0), which the kernel puts at
 * offset 464: 0 there stands for those of this machine.
 */
#define RF_XSAVE_COMPONENTS 20

struct rf_xsave_layout {
	uint64_t features; /* as XCR0 */
	uint32_t bytes;	   /* of a whole area, at least 576 */
	uint32_t offset[RF_XSAVE_COMPONENTS];
	uint32_t size[RF_XSAVE_COMPONENTS]; /* 0 = there is no such component */
};

/* The layout of this machine, which has these facts. */
void rf_arch_xsave_here(struct rf_xsave_layout *layout, const struct rf_machine_facts *here);

/* The layout with which a maker of processors has these components: one behind the other (AMD),
 * or each at a place of its own (Intel).  False if one of them is unknown. */
bool rf_arch_xsave_known(struct rf_xsave_layout *layout, uint64_t features, bool is_packed);

/* The layout that a note of a core describes (NT_X86_XSAVE_LAYOUT); 0, or -EBADMSG with a
 * report. */
int rf_arch_xsave_table(struct rf_xsave_layout *layout, const void *note, size_t note_bytes,
			struct rf_report *report);

/* Whether a restored thread can be given the area, whatever its layout: in standard format, with
 * a header that XRSTOR takes.  0; -EBADMSG, or -ENOTSUP for compacted format, with a report. */
int rf_arch_xsave_check(const void *area, size_t bytes, struct rf_report *report);

/* The layout of an area, of those that are known.  0, or as rf_arch_xsave_check(), or -ENOTSUP
 * with a report if none fits. */
int rf_arch_xsave_guess(struct rf_xsave_layout *layout, const void *area, size_t bytes,
			struct rf_report *report);

/*
 * Puts the area `from`, which has been checked, into another layout at `to`, of to_layout->bytes;
 * where that is NULL, only says whether it can be done.  Components that the other machine lacks
 * are left out where their value is the initial one.  0, or -ENOEXEC with a report that names the
 * component that is lacking.
 */
int rf_arch_xsave_convert(void *to, const struct rf_xsave_layout *to_layout, const void *from,
			  const struct rf_xsave_layout *from_layout, struct rf_report *report);

/*
 * The same for an area of any known layout and the machine with these facts, on which this runs.
 * `to` may be NULL, else it has here->xsave_bytes, and at least 576.  0, or as
 * rf_arch_xsave_guess() and rf_arch_xsave_convert().
 */
int rf_arch_xsave_fit(void *to, const struct rf_machine_facts *here, const void *area, size_t bytes,
		      struct rf_report *report);

/* -- signal frames of the image (handler_frames.c) ------------------------------------- */

/* The image's memory, where it lies before the restorer runs. */
struct rf_arch_memory {
	/* these bytes of it; NULL unless they are in one mapping, private, and can be written */
	void *(*at)(void *context, uint64_t address, uint64_t bytes);
	/* where what can be read from an address on ends, at most so many bytes on; the address
	 * itself, or less, if nothing can */
	uint64_t (*end)(void *context, uint64_t address, uint64_t most);
	void *context;
};

/* Memory that the image will have besides: where it is, and its address there (64-byte aligned). */
struct rf_arch_spare {
	unsigned char *memory;
	uint64_t address;
	uint64_t bytes, used;
};

/* What one frame takes of it at most. */
#define RF_ARCH_SPARE_FRAME_BYTES(facts) (((uint64_t)(facts)->xsave_bytes + 4 + 63) & ~UINT64_C(63))

/*
 * Finds the frames of signal handlers on the stacks of a thread and puts what they hold of the
 * vector state into the layout of the machine with these facts, on which this runs; into spare
 * memory where a frame has no room.  0; -ENOEXEC with a report that names a component that is in
 * use and is lacking, or says that there are too many; or as rf_arch_xsave_fit().
 */
int rf_arch_fit_signal_frames(const struct rf_image_thread *thread,
			      const struct rf_machine_facts *here,
			      const struct rf_arch_memory *memory, struct rf_arch_spare *spare,
			      struct rf_report *report);

/* The name of a bit of facts->cpu, or of a state component of facts->xcr0, as text for people; a
 * static buffer where it has no name here. */
const char *rf_arch_feature_name(size_t word, unsigned bit);
const char *rf_arch_component_name(unsigned bit);

/* -- restore (signal_frame.c, restore_jump.S, ../restorer/) ---------------------------- */

/* Bytes that rf_arch_build_signal_frame() needs at most, on the machine of these facts. */
size_t rf_arch_signal_frame_bytes(const struct rf_machine_facts *facts,
				  const struct rf_image_thread *thread);

/*
 * Builds at `buffer` the frame with which rt_sigreturn restores the thread's registers, vector
 * state, signal mask and alternate stack; `address` (64-byte aligned) is where the buffer will be
 * mapped when it runs.  xsave holds thread->xsave_bytes bytes, which rf_arch_xsave_fit() has
 * found to fit.  `result` becomes the return value of the captured call; a thread that was
 * interrupted keeps what it has.  Returns the stack pointer for rt_sigreturn.
 */
uint64_t rf_arch_build_signal_frame(void *buffer, uint64_t address,
				    const struct rf_machine_facts *facts,
				    const struct rf_image_thread *thread, const void *xsave,
				    uint64_t result);

/* Checks that the registers are those of user code (segments, flags, canonical addresses); 0 or
 * -EBADMSG with a report. */
int rf_arch_check_thread(const struct rf_image_thread *thread, struct rf_report *report);

/* -- the vdso of another kernel (vdso.c) ------------------------------------------------------ */

#define RF_ARCH_VDSO_ENTRY_BYTES 32u

/* A function's name without what only some of its names begin with. */
const char *rf_arch_vdso_name(const char *symbol);

/* How many bytes at a function's entry must stay what they are. */
size_t rf_arch_vdso_landing(const unsigned char *code, size_t bytes);

/* Each writes the code of an entry and returns its bytes.  A jump to any address, that changes no
 * register; one to a place `distance` bytes from its own beginning; what does the same as the
 * function of that name (rf_arch_vdso_name) by a system call, or fails with ENOSYS. */
size_t rf_arch_vdso_jump(unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES], uint64_t target);
size_t rf_arch_vdso_near_jump(unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES], int32_t distance);
size_t rf_arch_vdso_stub(unsigned char entry[RF_ARCH_VDSO_ENTRY_BYTES], const char *name);

/* Leaves the shell: sets the stack pointer and jumps to the restorer at `entry` with `plan`. */
_Noreturn void rf_arch_jump(uint64_t entry, uint64_t plan, uint64_t stack_top);

/* The restorer's code, position independent, entry point first. */
extern const unsigned char rf_restorer_blob[];
extern const unsigned char rf_restorer_blob_end[];

/* -- debuggers (core_state.c, unwind.c) ------------------------------------------------------- */

#define RF_ARCH_CORE_STATE_BYTES 2696u
#define RF_ARCH_CORE_FLOAT_BYTES 512u

/* The layout in which debuggers know the vector state of a machine's threads; without facts, of
 * that of a thread with its XSAVE area. */
void rf_arch_core_layout(struct rf_xsave_layout *layout, const struct rf_machine_facts *facts,
			 const struct rf_image_thread *thread, const unsigned char *xsave);

/*
 * The x87 and vector state of a thread, as a core has it in NT_X86_XSTATE, of layout->bytes; its
 * first RF_ARCH_CORE_FLOAT_BYTES are NT_FPREGSET.  xsave holds thread->xsave_bytes bytes.
 */
void rf_arch_core_state(unsigned char area[RF_ARCH_CORE_STATE_BYTES],
			const struct rf_xsave_layout *layout, const struct rf_image_thread *thread,
			const unsigned char *xsave);

/* A general register of a thread by its number in call frame information; whether there is
 * such a number. */
bool rf_arch_dwarf_register(const struct rf_image_thread *thread, int number, uint64_t *value);

/* Whether these instructions return from a signal handler. */
#define RF_ARCH_SIGNAL_RETURN_BYTES 9u
bool rf_arch_is_signal_return(const unsigned char code[RF_ARCH_SIGNAL_RETURN_BYTES]);

#endif
