/* SPDX-License-Identifier: MIT */
/*
 * What the kernel lets a process and each of its threads choose for themselves, or inherit:
 * limits, scheduling, what is allowed in memory, and the like.  Collected in the caller, in the
 * shell, which compares, and by undump from another process; no malloc, no errno.
 */
#ifndef RF_ATTRIBUTES_H
#define RF_ATTRIBUTES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/image_format.h"

struct rf_image_writer;

/* Missing in older headers: Linux 6.3, 6.4 and 5.10, include/uapi/linux/prctl.h;
 * arch/x86/include/uapi/asm/prctl.h of 5.16. */
#define RF_PR_SET_MDWE 65
#define RF_PR_GET_MDWE 66
#define RF_PR_SET_MEMORY_MERGE 67
#define RF_PR_GET_MEMORY_MERGE 68
#define RF_MDWE_NO_INHERIT 2u
#define RF_GET_COMPONENTS 0x1022
#define RF_ASK_FOR_COMPONENT 0x1023

/* Of a thread, with the sets behind it as THREAD_STATE has them. */
struct rf_thread_attributes {
	struct rf_image_thread_state image;
	uint8_t cpus[RF_IMAGE_MAX_CPU_BYTES];
	uint8_t nodes[RF_IMAGE_MAX_NODE_BYTES];
};

/* Of a process and its main, or its calling, thread. */
struct rf_attributes {
	struct rf_image_state state;
	struct rf_thread_attributes thread;
};

/* Whose they are.  By calls, as only the process itself can ask for most. */
struct rf_attribute_source {
	const char *process; /* as /proc names it */
	pid_t pid, tid;	     /* 0 = the caller's own */
	/* Makes a system call in the name of the thread.  Argument number `place` is made to point
	 * to memory whose `bytes` are the answer.  The call's result or a negative errno. */
	long (*call)(void *context, long number, const uint64_t arguments[5], void *answer,
		     size_t bytes, unsigned place);
	void *context;
};

/* The calling process and thread. */
extern const struct rf_attribute_source rf_attributes_own;

/* What cannot be told is not `known`. */
void rf_attributes_collect_process(struct rf_image_state *state,
				   const struct rf_attribute_source *source);
void rf_attributes_collect_thread(struct rf_thread_attributes *thread,
				  const struct rf_attribute_source *source);
void rf_attributes_collect(struct rf_attributes *attributes);

/* Makes of them those of a fork child. */
void rf_attributes_fork(struct rf_attributes *attributes);

/* attributes_writer.c: STATE; and THREAD_STATE of one thread. */
int rf_attributes_write_process(const struct rf_image_state *state, struct rf_image_writer *writer);
int rf_attributes_write_thread(const struct rf_thread_attributes *thread, uint32_t index,
			       struct rf_image_writer *writer);

#endif
