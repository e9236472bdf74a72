/* SPDX-License-Identifier: MIT */
/*
 * The restorer: executes a plan, one checked system call after another, and ends
 * with rt_sigreturn.  Runs in a region of its own after the shell has vanished: no libc,
 * no errno, no thread-local storage, no floating point, no relocation, no writable
 * global.  It decides nothing.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "rfork/restore_plan.h"
#include "rfork/x86_64/syscall.h"

#define MAX_ERRNO 4095

/* The short part of struct rf_shell_report: the region's stack need not hold a sentence. */
struct short_report {
	uint32_t kind;
	int32_t error;
	uint64_t step, number, argument;
};

_Static_assert(sizeof(struct short_report) == RF_SHELL_REPORT_SHORT_BYTES, "restore_plan.h");
_Static_assert(offsetof(struct rf_shell_report, argument) ==
		       offsetof(struct short_report, argument),
	       "restore_plan.h");

_Noreturn static void fail(const struct rf_plan *plan, uint64_t index, long result)
{
	const struct rf_step *step = &plan->steps[index];
	struct short_report report = {
		.kind = RF_SHELL_RESTORER,
		.error = result < 0 && result >= -MAX_ERRNO ? (int32_t)-result : 0,
		.step = index,
		.number = step->number,
		.argument = step->arguments[0],
	};

	rf_arch_syscall6(SYS_write, plan->report_fd, (long)&report, sizeof(report), 0, 0, 0);
	for (;;)
		rf_arch_syscall6(SYS_exit_group, 127, 0, 0, 0, 0, 0);
}

static void execute(const struct rf_plan *plan, uint64_t index)
{
	const struct rf_step *step = &plan->steps[index];
	const uint64_t *a = step->arguments;
	long result = rf_arch_syscall6((long)step->number, (long)a[0], (long)a[1], (long)a[2],
				       (long)a[3], (long)a[4], (long)a[5]);

	if (step->check == RF_STEP_EQUALS) {
		if ((uint64_t)result != step->expected)
			fail(plan, index, result);
	} else if (result < 0 && result >= -MAX_ERRNO) {
		fail(plan, index, result);
	} else if (step->check == RF_STEP_STORES) {
		*(volatile uint32_t *)step->expected = (uint32_t)result;
	}
}

/* Returns the stack pointer for rt_sigreturn; start.S does that last call. */
uint64_t rf_restorer_run(const struct rf_plan *plan)
{
	for (uint64_t index = 0; index < plan->count; index++)
		execute(plan, index);
	return plan->stack;
}
