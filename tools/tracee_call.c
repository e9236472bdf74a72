/* SPDX-License-Identifier: MIT */
/*
 * System calls that a stopped thread of another process makes for us: some of its state nobody else
 * can ask for.  Called by the process_*.c files.
 *
 * At every moment the thread is one that may be released: either with its own registers, or with
 * those of a call that ends in sigreturn(2) and a frame that restores it.  So the death of the
 * tracer harms nobody.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/io.h"
#include "tools/tracee.h"

#define SCRATCH_ALIGNMENT 64u
#define SYSTEM_CALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define CALL_MS 10000
/* Flags that sigaltstack(2) does not know: sigreturn(2) then leaves the alternate stack alone. */
#define NO_ALTSTACK_FLAGS 0x7fu

/* -- code -------------------------------------------------------------------------------------- */

#define CODE_BYTES ((size_t)64 << 10)
#define CODE_OVERLAP 16u

/* Looks in one mapping for what is not found yet. */
static void search_mapping(struct rf_tracees *tracees, const struct rf_map *map,
			   unsigned char *buffer, uint64_t *bare)
{
	struct {
		enum rf_arch_code what;
		uint64_t *address;
	} wanted[] = { { RF_CODE_SYSTEM_CALL, &tracees->system_call },
		       { RF_CODE_SIGNAL_RETURN, &tracees->signal_return },
		       { RF_CODE_BARE_SYSTEM_CALL, bare } };

	for (uint64_t at = map->start; at < map->end; at += CODE_BYTES - CODE_OVERLAP) {
		size_t bytes = map->end - at < CODE_BYTES ? map->end - at : CODE_BYTES;

		if (rf_tracee_read(tracees, at, buffer, bytes) < 0)
			return; /* beyond the file's end */
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			long found = *wanted[i].address
					     ? -1
					     : rf_arch_find_code(wanted[i].what, buffer, bytes);

			if (found >= 0)
				*wanted[i].address = at + (uint64_t)found;
		}
		if (tracees->system_call && tracees->signal_return)
			return;
	}
}

int rf_tracee_find_code(struct rf_tracees *tracees)
{
	unsigned char *buffer = malloc(CODE_BYTES);
	uint64_t bare = 0;

	if (!buffer)
		return -ENOMEM;
	for (size_t i = 0; i < tracees->maps->count; i++) {
		const struct rf_map *map = &tracees->maps->entries[i];

		if (map->protection & RF_PROTECTION_EXECUTE &&
		    (map->kind == RF_MAP_FILE || map->kind == RF_MAP_VDSO))
			search_mapping(tracees, map, buffer, &bare);
		if (tracees->system_call && tracees->signal_return)
			break;
	}
	free(buffer);
	if (!tracees->system_call || !tracees->signal_return) {
		tracees->system_call = bare; /* goes as well, unless we are killed */
		tracees->signal_return = 0;
	}
	return tracees->system_call ? 0 : -ENOSYS;
}

/* -- memory ------------------------------------------------------------------------------------ */

static int write_memory(const struct rf_tracees *tracees, uint64_t address, const void *data,
			size_t bytes)
{
	ssize_t put;

	do
		put = pwrite(tracees->memory_fd, data, bytes, (off_t)address);
	while (put < 0 && errno == EINTR);
	if (put < 0)
		return -errno;
	return (size_t)put == bytes ? 0 : -EIO;
}

static bool is_usable(const struct rf_map *map)
{
	return !map->shared && map->protection & RF_PROTECTION_READ &&
	       map->protection & RF_PROTECTION_WRITE &&
	       (map->kind == RF_MAP_ANONYMOUS || map->kind == RF_MAP_STACK ||
		map->kind == RF_MAP_FILE);
}

/* Where `bytes` may be written for a while: below the stack, where a signal handler's frame would
 * come and the thread keeps nothing; where the stack has no more room, in other memory of the
 * process, which our death at that moment would harm.  0 if there is none. */
static uint64_t find_scratch(const struct rf_tracees *tracees, uint64_t stack, size_t bytes)
{
	uint64_t below = (stack - RF_ARCH_RED_ZONE_BYTES - bytes) &
			 ~(uint64_t)(SCRATCH_ALIGNMENT - 1);
	uint64_t other = 0;

	for (size_t i = 0; i < tracees->maps->count; i++) {
		const struct rf_map *map = &tracees->maps->entries[i];

		if (!is_usable(map) || map->end - map->start < bytes)
			continue;
		if (below >= map->start && below < map->end && stack <= map->end)
			return below;
		if (!other)
			other = map->start;
	}
	return other;
}

/* -- begin, call, end -------------------------------------------------------------------------- */

/* The frame that restores the thread, whatever call it is in. */
static void build_frame(const struct rf_tracees *tracees, struct rf_tracee *thread,
			const struct rf_machine_facts *facts, struct rf_image_thread image,
			const void *xsave, unsigned char *frame)
{
	uint64_t address = thread->scratch + RF_TRACEE_DATA_BYTES;

	rf_arch_leave_call(&image.registers, false);
	image.altstack_flags = NO_ALTSTACK_FLAGS;
	thread->call_stack = rf_arch_build_signal_frame(frame, address, facts, &image, xsave,
							image.registers.rax);
	thread->call_stack =
		rf_arch_return_to_frame(frame, address, thread->call_stack, tracees->signal_return);
}

int rf_tracee_begin_calls(struct rf_tracees *tracees, struct rf_tracee *thread,
			  const struct rf_machine_facts *facts, const struct rf_image_thread *image,
			  const void *xsave, struct rf_report *report)
{
	size_t bytes = RF_TRACEE_DATA_BYTES + rf_arch_signal_frame_bytes(facts, image);
	unsigned char *memory = calloc(2, bytes);
	int error;

	thread->scratch = find_scratch(tracees, thread->registers.rsp, bytes);
	if (!memory || !thread->scratch) {
		free(memory);
		thread->scratch = 0;
		return rf_report(report, ENOMEM, "no memory for what thread %d is asked",
				 (int)thread->tid);
	}
	thread->saved = memory;
	thread->scratch_bytes = bytes;
	build_frame(tracees, thread, facts, *image, xsave, memory + bytes + RF_TRACEE_DATA_BYTES);
	error = rf_tracee_read(tracees, thread->scratch, memory, bytes);
	if (error == 0)
		error = write_memory(tracees, thread->scratch, memory + bytes, bytes);
	if (error < 0) {
		free(memory);
		thread->saved = NULL;
		thread->scratch = 0;
		return rf_report(report, -error, "memory of thread %d: %m", (int)thread->tid);
	}
	return 0;
}

uint64_t rf_tracee_data(const struct rf_tracee *thread)
{
	return thread->scratch;
}

static int set_registers(const struct rf_tracee *thread, struct rf_image_registers *registers)
{
	struct iovec piece = { registers, sizeof(*registers) };

	return ptrace(PTRACE_SETREGSET, thread->tid, NT_PRSTATUS, &piece) < 0 ? -errno : 0;
}

static int set_mask(const struct rf_tracee *thread, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof(mask), &mask) < 0 ? -errno : 0;
}

/* Signals must wait while it makes calls; not before it is one that sigreturn(2) gives its mask
 * back. */
static int set_call(const struct rf_tracees *tracees, struct rf_tracee *thread, long number,
		    const uint64_t arguments[6])
{
	struct rf_image_registers registers = thread->registers;
	int error;

	rf_arch_begin_call(&registers, tracees->system_call, thread->call_stack, number, arguments);
	error = set_registers(thread, &registers);
	if (error < 0 || thread->is_calling)
		return error;
	thread->is_calling = true;
	return set_mask(thread, UINT64_MAX);
}

/* Goes on to the beginning or the end of the call.  SIGSTOP cannot be blocked: it takes effect, and
 * the process is a stopped one when it is released. */
static int advance(struct rf_tracees *tracees, struct rf_tracee *thread)
{
	long signal = 0;
	int status;

	do {
		if (ptrace(PTRACE_SYSCALL, thread->tid, NULL, signal) < 0)
			return -errno;
		status = rf_tracee_await(tracees, thread);
		if (status < 0)
			return status;
		signal = status >> 16 == 0 && WSTOPSIG(status) != SYSTEM_CALL_STOP
				 ? WSTOPSIG(status)
				 : 0;
	} while (WSTOPSIG(status) != SYSTEM_CALL_STOP);
	return 0;
}

static int read_registers(const struct rf_tracee *thread, struct rf_image_registers *registers)
{
	struct iovec piece = { registers, sizeof(*registers) };

	return ptrace(PTRACE_GETREGSET, thread->tid, NT_PRSTATUS, &piece) < 0 ? -errno : 0;
}

static int make_call(struct rf_tracees *tracees, struct rf_tracee *thread, long number,
		     const uint64_t arguments[6], long *result)
{
	struct rf_image_registers registers;
	int error = set_call(tracees, thread, number, arguments);

	if (error == 0)
		error = advance(tracees, thread);
	if (error == 0)
		error = read_registers(thread, &registers);
	if (error == 0 && !rf_arch_is_call(&registers, tracees->system_call, number))
		error = -EPROTO;
	if (error == 0)
		error = advance(tracees, thread);
	if (error == 0)
		error = read_registers(thread, &registers);
	if (error == 0)
		*result = rf_arch_call_result(&registers);
	return error;
}

int rf_tracee_call(struct rf_tracees *tracees, struct rf_tracee *thread, long *result,
		   struct rf_report *report, long number, uint64_t a, uint64_t b, uint64_t c,
		   uint64_t d)
{
	const uint64_t arguments[6] = { a, b, c, d };
	int error;

	tracees->deadline_ns = rf_io_deadline_ns(CALL_MS);
	error = make_call(tracees, thread, number, arguments, result);
	if (error == -ESRCH)
		return rf_report(report, ESRCH, "process %d ended while it was looked at",
				 (int)tracees->pid);
	if (error < 0)
		return rf_report(report, -error, "thread %d does not make a system call: %m",
				 (int)thread->tid);
	return 0;
}

void rf_tracee_end_calls(struct rf_tracees *tracees, struct rf_tracee *thread)
{
	if (thread->is_calling) {
		/* the frame below the stack has the mask, too: in this order it can be released
		 * at any moment */
		set_mask(thread, thread->signal_mask);
		set_registers(thread, &thread->registers);
		thread->is_calling = false;
	}
	if (thread->scratch)
		write_memory(tracees, thread->scratch, thread->saved, thread->scratch_bytes);
	free(thread->saved);
	thread->saved = NULL;
	thread->scratch = 0;
}
