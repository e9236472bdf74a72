/* SPDX-License-Identifier: MIT */
/*
 * The restorer: executes a plan, one checked system call after another, and ends
 * with rt_sigreturn.  Runs in a region of its own after the shell has vanished: no libc,
 * no errno, no thread-local storage, no floating point, no relocation, no writable
 * global.  It decides nothing.
 */
#include <linux/futex.h>
#include <stdbool.h>
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

uint64_t rf_restorer_run(struct rf_plan *plan);
uint64_t rf_restorer_run_thread(struct rf_plan *plan, const struct rf_plan_thread *thread);
/* start.S */
long rf_restorer_clone(struct rf_plan *plan, const struct rf_plan_thread *thread,
		       uint64_t stack_top);

static bool is_error(long result)
{
	return result < 0 && result >= -MAX_ERRNO;
}

#define MAX_NUMBER_DIGITS 20

static void append_text(char *line, uint64_t *used, const char *text, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		line[(*used)++] = text[i];
}

static void append_number(char *line, uint64_t *used, uint64_t value)
{
	char digits[MAX_NUMBER_DIGITS];
	unsigned count = 0;

	do {
		digits[count++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (count)
		line[(*used)++] = digits[--count];
}

/* "FAILURE step 12, system call 25, errno 12" */
static void tell_in_words(const struct rf_plan *plan, const struct short_report *report)
{
	static const char step[] = "step ", call[] = ", system call ", error[] = ", errno ";
	char line[128];
	uint64_t used = 0;

	append_text(line, &used, step, sizeof(step) - 1);
	append_number(line, &used, report->step);
	append_text(line, &used, call, sizeof(call) - 1);
	append_number(line, &used, report->number);
	append_text(line, &used, error, sizeof(error) - 1);
	append_number(line, &used, (uint32_t)report->error);
	line[used++] = '\n';
	rf_arch_syscall6(SYS_write, plan->report_fd, (long)plan->failure, (long)plan->failure_bytes,
			 0, 0, 0);
	rf_arch_syscall6(SYS_write, plan->report_fd, (long)line, (long)used, 0, 0, 0);
}

_Noreturn static void fail(const struct rf_plan *plan, struct short_report *report, long result)
{
	report->kind = RF_SHELL_RESTORER;
	report->error = is_error(result) ? (int32_t)-result : 0;
	if (plan->failure)
		tell_in_words(plan, report);
	else
		rf_arch_syscall6(SYS_write, plan->report_fd, (long)report, sizeof(*report), 0, 0,
				 0);
	for (;;)
		rf_arch_syscall6(SYS_exit_group, 127, 0, 0, 0, 0, 0);
}

static void fail_step(const struct rf_plan *plan, const struct rf_step *step, uint64_t index,
		      long result)
{
	struct short_report report = { .step = index,
				       .number = step->number,
				       .argument = step->arguments[0] };

	fail(plan, &report, result);
}

static void execute(const struct rf_plan *plan, const struct rf_step *steps, uint64_t index)
{
	const struct rf_step *step = &steps[index];
	const uint64_t *a = step->arguments;
	long result = rf_arch_syscall6((long)step->number, (long)a[0], (long)a[1], (long)a[2],
				       (long)a[3], (long)a[4], (long)a[5]);

	if (step->check == RF_STEP_EQUALS) {
		if ((uint64_t)result != step->expected)
			fail_step(plan, step, index, result);
	} else if (is_error(result)) {
		fail_step(plan, step, index, result);
	} else if (step->check == RF_STEP_STORES) {
		*(volatile uint32_t *)step->expected = (uint32_t)result;
	}
}

static void execute_all(const struct rf_plan *plan, const struct rf_step *steps, uint64_t count)
{
	for (uint64_t index = 0; index < count; index++)
		execute(plan, steps, index);
}

static void wait_for(uint32_t *futex, uint32_t value)
{
	uint32_t seen;

	while ((seen = __atomic_load_n(futex, __ATOMIC_ACQUIRE)) != value)
		rf_arch_syscall6(SYS_futex, (long)futex, FUTEX_WAIT_PRIVATE, seen, 0, 0, 0);
}

static void wake_all(uint32_t *futex)
{
	rf_arch_syscall6(SYS_futex, (long)futex, FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0);
}

/* A thread of the image beside its main one; returns the stack pointer for rt_sigreturn. */
uint64_t rf_restorer_run_thread(struct rf_plan *plan, const struct rf_plan_thread *thread)
{
	uint64_t stack = thread->stack;

	execute_all(plan, thread->steps, thread->count);
	__atomic_add_fetch(&plan->ready, 1, __ATOMIC_RELEASE);
	wake_all(&plan->ready);
	wait_for(&plan->gate, 1);
	return stack;
}

/* No thread leaves before all are ready: what fails ends a process of which nothing has run. */
static void start_threads(struct rf_plan *plan)
{
	for (uint64_t i = 0; i < plan->thread_count; i++) {
		struct short_report report = { .step = RF_SHELL_REPORT_NO_STEP,
					       .number = SYS_clone,
					       .argument = i + 1 };
		long result =
			rf_restorer_clone(plan, &plan->threads[i], plan->threads[i].stack_top);

		if (is_error(result))
			fail(plan, &report, result);
	}
	wait_for(&plan->ready, (uint32_t)plan->thread_count);
}

/* Returns the stack pointer for rt_sigreturn; start.S does that last call. */
uint64_t rf_restorer_run(struct rf_plan *plan)
{
	execute_all(plan, plan->steps, plan->count);
	if (plan->thread_count)
		start_threads(plan);
	execute_all(plan, plan->own, plan->own_count);
	execute_all(plan, plan->last, plan->last_count);
	if (plan->thread_count) {
		__atomic_store_n(&plan->gate, 1, __ATOMIC_RELEASE);
		wake_all(&plan->gate);
	}
	return plan->stack;
}
