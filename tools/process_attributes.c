/* SPDX-License-Identifier: MIT */
/*
 * What a stopped process and its threads have chosen for themselves.  Called by process_threads.c,
 * as long as threads make calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "rfork/arch.h"
#include "tools/process_internal.h"

/* Whom a call is made by. */
struct caller {
	struct rf_process *process;
	size_t thread;
	struct rf_report *report;
};

/* What cannot be asked at all any more is in the report; it is looked at when all is asked. */
static long call(void *context, long number, const uint64_t arguments[5], void *answer,
		 size_t bytes, unsigned place)
{
	struct caller *caller = context;
	struct rf_tracees *tracees = &caller->process->tracees;
	struct rf_tracee *thread = &tracees->threads[caller->thread];
	uint64_t a[5], address = rf_process_answer_address(caller->process, caller->thread);
	long result;
	int error;

	if (caller->report->error)
		return -ESRCH;
	memcpy(a, arguments, sizeof(a));
	if (answer)
		a[place] = address;
	error = rf_tracee_call(tracees, thread, &result, caller->report, number, a[0], a[1], a[2],
			       a[3]);
	if (error == 0 && answer && result >= 0)
		error = rf_tracee_read(tracees, address, answer, bytes);
	return error < 0 ? error : result;
}

static void read_name(const struct rf_process *process, size_t index,
		      struct rf_image_thread_state *state)
{
	char path[48], name[32];

	rf_format(path, sizeof(path), "task/%d/comm", (int)process->tracees.threads[index].tid);
	if (rf_process_read(process->tracees.pid, path, name, sizeof(name)) <= 0)
		return;
	name[strcspn(name, "\n")] = '\0';
	memcpy(state->comm, name, sizeof(state->comm) - 1);
}

static void refuse_machine_state(const struct rf_attribute_source *source, struct rf_report *report)
{
	const char *words = rf_arch_name_uncarried(source);

	if (words && !report->error)
		rf_report(report, ENOTSUP, "process %d: %s", (int)source->pid, words);
}

/* Of the main thread it is among what the process has. */
static void ask_for_gains(struct caller *caller, struct rf_image_thread_state *state)
{
	long answer =
		call(caller, SYS_prctl, (const uint64_t[5]){ PR_GET_NO_NEW_PRIVS }, NULL, 0, 0);

	if (answer < 0)
		return;
	state->known |= RF_THREAD_STATE_NO_NEW_PRIVS;
	state->flags |= answer ? RF_THREAD_STATE_NO_NEW_PRIVS : 0;
}

int rf_process_ask_attributes(struct rf_process *process, size_t index, struct rf_report *report)
{
	struct rf_reader_thread *thread = &process->source->image.threads[index];
	struct caller caller = { process, index, report };
	char pid[16];
	const struct rf_attribute_source source = {
		.process = pid,
		.pid = process->tracees.pid,
		.tid = process->tracees.threads[index].tid,
		.call = call,
		.context = &caller,
	};

	rf_format(pid, sizeof(pid), "%d", (int)process->tracees.pid);
	thread->attributes = malloc(sizeof(*thread->attributes));
	if (!thread->attributes)
		return rf_report(report, ENOMEM, "no memory for the threads");
	rf_attributes_collect_thread(thread->attributes, &source);
	read_name(process, index, &thread->attributes->image);
	if (index) {
		ask_for_gains(&caller, &thread->attributes->image);
	} else {
		rf_attributes_collect_process(&process->source->image.state, &source);
		refuse_machine_state(&source, report);
	}
	return -report->error;
}
