/* SPDX-License-Identifier: MIT */
/*
 * The threads of another process, held by ptrace(2) while it is looked at.  Nothing of it changes:
 * what a thread was about to do it does when it is released, and what came meanwhile comes then.
 * Should the holder die, by SIGKILL for one, the kernel releases them at once, and they go on as
 * well.
 *
 * All calls are to be made by one thread, which the kernel knows as the tracer.
 */
#ifndef TOOLS_TRACEE_H
#define TOOLS_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/image_format.h"
#include "rfork/maps.h"
#include "rfork/protocol.h"
#include "rfork/report.h"

/* Memory of a thread in which calls that it makes may put what they have to say. */
#define RF_TRACEE_DATA_BYTES 2560u

struct rf_tracee {
	pid_t tid;
	bool is_stopped;
	bool is_seized;
	bool is_calling;		     /* its registers are those of a call of ours */
	struct rf_image_registers registers; /* with which it goes on, as the kernel shows them */
	uint64_t signal_mask;
	uint64_t scratch; /* 0 = it makes no calls */
	size_t scratch_bytes;
	unsigned char *saved; /* what was there */
	uint64_t call_stack;  /* where calls are made */
};

struct rf_tracees {
	pid_t pid;
	struct rf_tracee *threads; /* the first is the main thread */
	size_t count;
	int memory_fd; /* /proc/PID/mem, for reading and writing; -1 = not open */
	int64_t deadline_ns;
	int timeout_ms;
	int64_t stopped_ns;   /* when the first of them stopped; 0 = none has */
	uint64_t system_call; /* addresses of such code in it; 0 = there is none */
	uint64_t signal_return;
	const struct rf_maps *maps; /* where calls may use memory */
	sigset_t caller_mask;	    /* ours, until they are released */
	bool is_mask_changed;
};

/*
 * Stops all threads of a process, also those that begin meanwhile; what was stopped by a signal
 * stays so.  0, or a negative errno with a report, and all are released: -ESRCH there is no such
 * process, -EPERM, -ETIMEDOUT with the name of the thread that did not stop within timeout_ms,
 * which the kernel releases when the calling thread ends.
 */
int rf_tracee_stop_all(struct rf_tracees *tracees, pid_t pid, int timeout_ms,
		       struct rf_report *report);

/* Lets all go on, whatever they were doing.  Returns for how long the process was stopped, in
 * nanoseconds. */
int64_t rf_tracee_release_all(struct rf_tracees *tracees);

/* Waits for the next stop of a thread; the wait status, or -ETIMEDOUT or -ESRCH: it has ended. */
int rf_tracee_await(struct rf_tracees *tracees, const struct rf_tracee *thread);

/* -- registers ------------------------------------------------------------------------------- */

/* -ENOEXEC with a report for a thread that runs 32-bit code. */
int rf_tracee_read_registers(struct rf_tracees *tracees, struct rf_tracee *thread,
			     struct rf_report *report);

/* The XSAVE area in standard format; its length, which is less than `bytes`, a multiple of 8, or a
 * negative errno with a report. */
long rf_tracee_read_xsave(struct rf_tracees *tracees, const struct rf_tracee *thread,
			  unsigned char *xsave, size_t bytes, struct rf_report *report);

/* -- memory ---------------------------------------------------------------------------------- */

/* Exactly `bytes`; 0 or a negative errno: -EIO what is not mapped. */
int rf_tracee_read(const struct rf_tracees *tracees, uint64_t address, void *buffer, size_t bytes);

/* -- system calls that a thread makes (tracee_call.c) ------------------------------------------ */

/*
 * Looks for code with which threads can make calls, in mappings that tracees->maps lists.  0, or
 * -ENOSYS without a report: there is none.
 */
int rf_tracee_find_code(struct rf_tracees *tracees);

/*
 * Prepares a thread to make calls.  Below its stack, where a signal handler's frame would come,
 * there is then one that restores the thread: whenever it is released, it goes on as if it had made
 * none.  thread and xsave: what was read of it.  0 or a negative errno with a report.
 */
int rf_tracee_begin_calls(struct rf_tracees *tracees, struct rf_tracee *thread,
			  const struct rf_machine_facts *facts, const struct rf_image_thread *image,
			  const void *xsave, struct rf_report *report);

/* Address of the memory for what calls have to say: RF_TRACEE_DATA_BYTES. */
uint64_t rf_tracee_data(const struct rf_tracee *thread);

/* Makes a call that does not wait; 0 with its result, or a negative errno with a report: -ESRCH the
 * process was killed, -ETIMEDOUT, or what ptrace(2) says. */
int rf_tracee_call(struct rf_tracees *tracees, struct rf_tracee *thread, long *result,
		   struct rf_report *report, long number, uint64_t a, uint64_t b, uint64_t c,
		   uint64_t d);

/* Puts everything back. */
void rf_tracee_end_calls(struct rf_tracees *tracees, struct rf_tracee *thread);

#endif
