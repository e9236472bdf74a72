/* SPDX-License-Identifier: MIT */
/*
 * State of the process and of the calling thread that lies in the kernel, not in
 * memory.  Collected in the frozen ghost: no malloc, no errno.
 */
#ifndef RF_PROCSTATE_H
#define RF_PROCSTATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "rfork/arch.h"
#include "rfork/image_format.h"
#include "rfork/report.h"

/* What fork leaves as it is: memory ranges, all but brk, and auxv. */
struct rf_procstate_ranges {
	bool is_known;
	struct rf_image_process process;
	unsigned char auxv[RF_IMAGE_MAX_AUXV_BYTES];
};

/* Reads the ranges; in the caller where that is permitted, for it has time while it waits for the
 * node.  0 or a negative errno with a report. */
int rf_procstate_read_ranges(struct rf_procstate_ranges *ranges, struct rf_report *report);

/* The same of another process, whose memory we may read. */
int rf_procstate_read_ranges_of(pid_t pid, struct rf_procstate_ranges *ranges,
				struct rf_report *report);

/* Fills a PROCESS record: the ranges, which are read if they are not known, and what only the ghost
 * can tell.  cwd has room for RF_IMAGE_MAX_PATH_BYTES + 1.  0 or a negative errno with a report. */
int rf_procstate_collect(struct rf_image_process *process, struct rf_procstate_ranges *ranges,
			 char *cwd, struct rf_report *report);

/* Fills the actions of signals 1 to 64. */
void rf_procstate_sigactions(struct rf_image_sigaction actions[RF_IMAGE_SIGNALS]);

/* Fills a THREAD record of the calling thread as it was at the capture point. */
void rf_procstate_thread(struct rf_image_thread *thread, const struct rf_arch_context *context,
			 uint64_t signal_mask);

/* What ties the calling thread to the kernel and is dropped by a fork that libc does not know of:
 * tid, robust list, and the address that is cleared at its exit.  The rest of `ties` is left
 * alone. */
void rf_procstate_ties(struct rf_image_thread *ties);

/* The kernel writes the number of the CPU into a registered area whenever the thread migrates, and
 * that area is in the image, which is frozen from now on. */
void rf_procstate_leave_rseq(const struct rf_image_thread *thread);
void rf_procstate_rejoin_rseq(const struct rf_image_thread *thread);

#endif
