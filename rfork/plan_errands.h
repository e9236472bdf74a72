/* SPDX-License-Identifier: MIT */
/*
 * What a thread other than the main one has under way: signals that are pending for it, timers
 * that signal it. Only the thread itself can begin them, when it exists.  Pure functions, like
 * the rest of the plan.
 */
#ifndef RF_PLAN_ERRANDS_H
#define RF_PLAN_ERRANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/image_reader.h"
#include "rfork/restore_plan.h"

/* Memory of one, in the restorer's region. */
struct rf_plan_errand {
	unsigned char bytes[128] __attribute__((aligned(8)));
};

#define RF_PLAN_ERRAND_STEPS 3u

/* Linux 6.15, include/uapi/linux/prctl.h, PR_TIMER_CREATE_RESTORE_IDS; missing in older headers. */
#define RF_TIMER_CREATE_RESTORE_IDS 77

/* Whether there are timers of threads other than the main one; and the step after which new
 * timers get numbers of the kernel's again. */
bool rf_plan_has_timers(const struct rf_image *image);
struct rf_step rf_plan_leave_timer_ids(void);

/* How many of its errands a thread has. */
size_t rf_plan_count_errands(const struct rf_image *image, uint32_t thread);

/*
 * Writes the steps, at most RF_PLAN_ERRAND_STEPS for each, and fills their errands; both lie
 * where they will be used.  elapsed_ns: since what the image says of timers was true.  pid: of
 * the process.  Returns the number of steps.  Timers need RF_TIMER_CREATE_RESTORE_IDS.
 */
size_t rf_plan_build_errands(struct rf_step *steps, struct rf_plan_errand *errands,
			     const struct rf_image *image, uint32_t thread, uint64_t elapsed_ns,
			     uint32_t pid);

#endif
