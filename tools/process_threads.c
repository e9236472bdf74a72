/* SPDX-License-Identifier: MIT */
/*
 * What the kernel keeps of a stopped process and its threads: registers, signals, timers.  Called
 * by process_reader.c.  Some of it only the threads themselves can ask for, see tracee.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "rfork/arch.h"
#include "rfork/clocks.h"
#include "rfork/sys.h"
#include "rfork/timer_value.h"
#include "rfork/timers.h"
#include "tools/process_internal.h"

/* Linux 5.13, include/uapi/linux/ptrace.h; missing in older headers of libc. */
#define GET_RSEQ_CONFIGURATION 0x420f
struct rseq_configuration {
	uint64_t address;
	uint32_t bytes;
	uint32_t signature;
	uint32_t flags;
	uint32_t padding;
};

/* include/uapi/linux/rseq.h: where a thread says in which critical section it is, and that
 * section. */
#define RSEQ_SECTION_OFFSET 8u
struct rseq_section {
	uint32_t version, flags;
	uint64_t start, bytes, abort;
};

#define XSAVE_CONTROL_OFFSET 0u
#define XSAVE_MXCSR_OFFSET 24u
#define PEEKED 32
#define TIMERS_BYTES ((size_t)1 << 20)

/* Where calls put their answers: the actions of all signals, then what is asked one by one. */
#define ACTION_BYTES sizeof(struct rf_image_sigaction)
#define ANSWER_OFFSET (RF_IMAGE_SIGNALS * ACTION_BYTES)
_Static_assert(ANSWER_OFFSET + 256 <= RF_TRACEE_DATA_BYTES, "room for answers");
_Static_assert(sizeof(siginfo_t) == RF_IMAGE_SIGINFO_BYTES, "doc/image-format.txt, 16");

/* -- from outside ------------------------------------------------------------------------------ */

/*
 * Whoever is stopped in a restartable sequence was interrupted in it, and goes on where that is
 * aborted: at home as in the image.  The kernel would do so, but only for a thread that has not
 * made a call meanwhile.
 */
static void leave_sequence(struct rf_process *process, struct rf_tracee *thread,
			   const struct rf_image_thread *image)
{
	struct rseq_section section;
	uint64_t address = 0;

	if (!image->rseq_address ||
	    rf_tracee_read(&process->tracees, image->rseq_address + RSEQ_SECTION_OFFSET, &address,
			   sizeof(address)) < 0 ||
	    !address || rf_tracee_read(&process->tracees, address, &section, sizeof(section)) < 0)
		return;
	if (thread->registers.rip - section.start < section.bytes)
		thread->registers.rip = section.abort;
}

static void read_rseq(struct rf_process *process, struct rf_tracee *thread,
		      struct rf_image_thread *image)
{
	struct rseq_configuration configuration = { 0 };

	if (ptrace(GET_RSEQ_CONFIGURATION, thread->tid, sizeof(configuration), &configuration) <= 0)
		return; /* an old kernel: exec and clone begin without */
	image->rseq_address = configuration.address;
	image->rseq_bytes = configuration.address ? configuration.bytes : 0;
	image->rseq_signature = configuration.address ? configuration.signature : 0;
	leave_sequence(process, thread, image);
}

static int read_xsave(struct rf_process *process, const struct rf_tracee *thread,
		      struct rf_reader_thread *reader, struct rf_report *report)
{
	unsigned char xsave[RF_IMAGE_MAX_XSAVE_BYTES + sizeof(uint64_t)];
	long bytes = rf_tracee_read_xsave(&process->tracees, thread, xsave, sizeof(xsave), report);

	if (bytes < 0)
		return (int)bytes;
	reader->xsave = malloc((size_t)bytes);
	if (!reader->xsave)
		return rf_report(report, ENOMEM, "no memory");
	memcpy(reader->xsave, xsave, (size_t)bytes);
	reader->image.xsave_bytes = (uint32_t)bytes;
	memcpy(&reader->image.x87_control, xsave + XSAVE_CONTROL_OFFSET,
	       sizeof(reader->image.x87_control));
	memcpy(&reader->image.mxcsr, xsave + XSAVE_MXCSR_OFFSET, sizeof(reader->image.mxcsr));
	return 0;
}

static int read_thread(struct rf_process *process, size_t index, struct rf_report *report)
{
	struct rf_tracee *thread = &process->tracees.threads[index];
	struct rf_reader_thread *reader = &process->source->image.threads[index];
	struct rf_image_thread *image = &reader->image;
	size_t robust_bytes = 0;
	int error = rf_tracee_read_registers(&process->tracees, thread, report);

	if (error < 0)
		return error;
	image->tid = (uint32_t)thread->tid;
	image->flags = RF_THREAD_INTERRUPTED;
	image->altstack_flags = SS_DISABLE;
	image->signal_mask = thread->signal_mask;
	read_rseq(process, thread, image);
	image->registers = thread->registers;
	if (syscall(SYS_get_robust_list, thread->tid, &image->robust_list, &robust_bytes) == 0)
		image->robust_list_bytes = image->robust_list ? robust_bytes : 0;
	return read_xsave(process, thread, reader, report);
}

/* -- pending signals --------------------------------------------------------------------------- */

static int add_pending(struct rf_process *process, const void *siginfo, uint32_t flags,
		       uint32_t thread, struct rf_report *report)
{
	struct rf_image *image = &process->source->image;
	struct rf_image_pending *entries;

	if (image->pending_count == RF_IMAGE_MAX_PENDING)
		return rf_report(report, ENOTSUP, "more than %u pending signals",
				 RF_IMAGE_MAX_PENDING);
	entries = reallocarray(image->pending, image->pending_count + 1, sizeof(*entries));
	if (!entries)
		return rf_report(report, ENOMEM, "no memory for the pending signals");
	image->pending = entries;
	entries += image->pending_count;
	*entries = (struct rf_image_pending){ .flags = flags, .thread = thread };
	memcpy(entries->siginfo, siginfo, sizeof(entries->siginfo));
	if (entries->signal != SIGKILL && entries->signal != SIGSTOP)
		image->pending_count++;
	return 0;
}

/* A signal for which the queue had no room is there all the same, and has nothing to say. */
static int add_unqueued(struct rf_process *process, uint64_t queued, const char *label,
			uint32_t flags, uint32_t thread, struct rf_report *report)
{
	char name[64], status[8192];
	uint64_t set = 0;
	int error = 0;

	rf_format(name, sizeof(name), "task/%d/status", (int)process->tracees.threads[thread].tid);
	if (rf_process_read(process->tracees.pid, name, status, sizeof(status)) < 0 ||
	    !rf_process_status_number(status, label, 0, 16, &set))
		return rf_report(report, EPROTO, "/proc/%d/%s: %m", (int)process->tracees.pid,
				 name);
	for (int signal = 1; signal <= RF_IMAGE_SIGNALS && error == 0; signal++) {
		siginfo_t info = { .si_signo = signal };

		if ((set & ~queued) >> (signal - 1) & 1)
			error = add_pending(process, &info, flags, thread, report);
	}
	return error;
}

/* One queue: that of a thread, or, with PTRACE_PEEKSIGINFO_SHARED, of the process. */
static int read_queue(struct rf_process *process, uint32_t thread, bool is_shared,
		      struct rf_report *report)
{
	struct __ptrace_peeksiginfo_args arguments = {
		.flags = is_shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
		.nr = PEEKED,
	};
	pid_t tid = process->tracees.threads[thread].tid;
	uint32_t flags = is_shared ? 0 : RF_PENDING_THREAD;
	siginfo_t entries[PEEKED];
	uint64_t queued = 0;
	long count;
	int error = 0;

	do {
		count = ptrace(PTRACE_PEEKSIGINFO, tid, &arguments, entries);
		if (count < 0)
			return rf_report(report, errno, "pending signals of thread %d: %m",
					 (int)tid);
		for (long i = 0; i < count && error == 0; i++) {
			queued |= UINT64_C(1) << (entries[i].si_signo - 1);
			error = add_pending(process, &entries[i], flags, thread, report);
		}
		arguments.off += (uint64_t)count;
	} while (count == PEEKED && error == 0);
	if (error < 0)
		return error;
	return add_unqueued(process, queued, is_shared ? "\nShdPnd:" : "\nSigPnd:", flags, thread,
			    report);
}

/* Those of threads first, as the kernel delivers them. */
static int read_pending(struct rf_process *process, struct rf_report *report)
{
	int error = 0;

	for (uint32_t i = 0; i < process->tracees.count && error == 0; i++)
		error = read_queue(process, i, false, report);
	return error < 0 ? error : read_queue(process, 0, true, report);
}

/* -- by calls ---------------------------------------------------------------------------------- */

uint64_t rf_process_answer_address(const struct rf_process *process, size_t thread)
{
	return rf_tracee_data(&process->tracees.threads[thread]) + ANSWER_OFFSET;
}

/* A call with one answer, at `offset` behind the others; false if it says no.  An error is only
 * that the thread makes no calls any more. */
static int ask(struct rf_process *process, size_t thread, bool *is_answered, void *answer,
	       size_t bytes, struct rf_report *report, long number, uint64_t a, uint64_t b,
	       uint64_t c)
{
	long result;
	int error = rf_tracee_call(&process->tracees, &process->tracees.threads[thread], &result,
				   report, number, a, b, c, 0);

	*is_answered = error == 0 && result >= 0;
	if (!*is_answered)
		return error;
	error = rf_tracee_read(&process->tracees, rf_process_answer_address(process, thread),
			       answer, bytes);
	return error < 0 ? rf_report(report, -error, "memory of the process: %m") : 0;
}

static int ask_thread(struct rf_process *process, size_t index, struct rf_report *report)
{
	struct rf_image_thread *image = &process->source->image.threads[index].image;
	uint64_t answer = rf_process_answer_address(process, index);
	stack_t altstack;
	uint64_t address;
	bool is_answered;
	int error = ask(process, index, &is_answered, &altstack, sizeof(altstack), report,
			SYS_sigaltstack, 0, answer, 0);

	if (error == 0 && is_answered) {
		image->altstack_address = (uintptr_t)altstack.ss_sp;
		image->altstack_bytes = altstack.ss_size;
		image->altstack_flags = (uint32_t)altstack.ss_flags & ~(uint32_t)SS_ONSTACK;
	}
	if (error == 0)
		error = ask(process, index, &is_answered, &address, sizeof(address), report,
			    SYS_prctl, PR_GET_TID_ADDRESS, answer, 0);
	if (error == 0 && is_answered)
		image->tid_address = address;
	return error < 0 ? error : rf_process_ask_attributes(process, index, report);
}

/* The signals whose action is worth a question: the others do what they do by default, and only of
 * SIGCHLD flags matter then. */
static int find_actions(struct rf_process *process, uint64_t *set, struct rf_report *report)
{
	char status[8192];
	uint64_t ignored, caught;

	if (rf_process_read(process->tracees.pid, "status", status, sizeof(status)) < 0 ||
	    !rf_process_status_number(status, "\nSigIgn:", 0, 16, &ignored) ||
	    !rf_process_status_number(status, "\nSigCgt:", 0, 16, &caught))
		return rf_report(report, EPROTO, "/proc/%d/status: %m", (int)process->tracees.pid);
	*set = ignored | caught | UINT64_C(1) << (SIGCHLD - 1);
	return 0;
}

static int ask_actions(struct rf_process *process, struct rf_report *report)
{
	struct rf_tracee *main_thread = &process->tracees.threads[0];
	struct rf_image_sigaction *actions = process->source->image.sigactions;
	uint64_t data = rf_tracee_data(main_thread);
	uint64_t set;
	int error = find_actions(process, &set, report);
	long result;

	for (unsigned signal = 1; signal <= RF_IMAGE_SIGNALS && error == 0; signal++)
		if (set >> (signal - 1) & 1)
			error = rf_tracee_call(&process->tracees, main_thread, &result, report,
					       SYS_rt_sigaction, signal, 0,
					       data + (signal - 1) * ACTION_BYTES,
					       sizeof(uint64_t));
	if (error < 0)
		return error;
	error = rf_tracee_read(&process->tracees, data, actions, RF_IMAGE_SIGNALS * ACTION_BYTES);
	if (error < 0)
		return rf_report(report, -error, "memory of the process: %m");
	for (unsigned signal = 1; signal <= RF_IMAGE_SIGNALS; signal++)
		if (!(set >> (signal - 1) & 1))
			actions[signal - 1] = (struct rf_image_sigaction){ 0 };
	return 0;
}

static int ask_brk(struct rf_process *process, struct rf_report *report)
{
	long result;
	int error = rf_tracee_call(&process->tracees, &process->tracees.threads[0], &result, report,
				   SYS_brk, 0, 0, 0, 0);

	if (error == 0)
		process->source->image.process.brk = (uint64_t)result;
	return error;
}

/* It may be in another time namespace than we are. */
static int ask_clock(struct rf_process *process, clockid_t clock, uint64_t *now_ns,
		     bool *is_answered, struct rf_report *report)
{
	struct timespec now;
	int error = ask(process, 0, is_answered, &now, sizeof(now), report, SYS_clock_gettime,
			(uint64_t)clock, rf_process_answer_address(process, 0), 0);

	if (error == 0 && *is_answered)
		*now_ns = rf_timer_timespec_ns(&now);
	return error;
}

static int ask_clocks(struct rf_process *process, struct rf_report *report)
{
	struct rf_image *image = &process->source->image;
	struct rf_image_clocks *clocks = &image->clocks;
	bool has_monotonic = false, has_boottime = false;
	char path[32];
	int error =
		ask_clock(process, CLOCK_MONOTONIC, &clocks->monotonic_ns, &has_monotonic, report);

	if (error == 0)
		error = ask_clock(process, CLOCK_BOOTTIME, &clocks->boottime_ns, &has_boottime,
				  report);
	rf_format(path, sizeof(path), "/proc/%d/ns/time", (int)process->tracees.pid);
	clocks->time_namespace = rf_clocks_namespace(path);
	image->has_clocks = has_monotonic && has_boottime;
	return error;
}

/* -- timers ------------------------------------------------------------------------------------ */

static int ask_itimers(struct rf_process *process, struct rf_timers *timers,
		       struct rf_report *report)
{
	int error = 0;

	for (uint32_t kind = RF_TIMER_REAL; kind <= RF_TIMER_PROF && error == 0; kind++) {
		struct rf_image_timer *timer = &timers->entries[timers->count];
		struct itimerval value;
		bool is_answered;

		error = ask(process, 0, &is_answered, &value, sizeof(value), report, SYS_getitimer,
			    kind, rf_process_answer_address(process, 0), 0);
		if (error < 0 || !is_answered)
			continue;
		*timer = (struct rf_image_timer){
			.kind = kind,
			.remaining_ns = rf_timer_timeval_ns(&value.it_value),
			.interval_ns = rf_timer_timeval_ns(&value.it_interval),
		};
		/* this one goes on when its signal is delivered, and shows no time until then */
		if (kind == RF_TIMER_REAL && !timer->remaining_ns)
			timer->remaining_ns = timer->interval_ns;
		timers->count += timer->remaining_ns || timer->interval_ns;
	}
	return error;
}

/* From the id of the thread that it signals to that thread's place; false if it is none of ours. */
static bool direct_timer(const struct rf_process *process, struct rf_image_timer *timer)
{
	if (timer->notify != RF_TIMER_THREAD)
		return true;
	for (uint32_t i = 0; i < process->tracees.count; i++) {
		if (process->tracees.threads[i].tid != (pid_t)timer->thread)
			continue;
		timer->thread = i;
		return true;
	}
	return false;
}

static int ask_posix_timers(struct rf_process *process, struct rf_timers *timers, size_t first,
			    struct rf_report *report)
{
	size_t kept = first;

	for (size_t i = first; i < timers->count; i++) {
		struct rf_image_timer timer = timers->entries[i];
		struct itimerspec value;
		bool is_answered;
		int error = ask(process, 0, &is_answered, &value, sizeof(value), report,
				SYS_timer_gettime, timer.id, rf_process_answer_address(process, 0),
				0);

		if (error < 0)
			return error;
		if (!is_answered || !direct_timer(process, &timer)) {
			if (rf_source_lose(process->source, "timer %u", timer.id) < 0)
				return rf_report(report, ENOMEM, "no memory");
			continue;
		}
		timer.remaining_ns = rf_timer_timespec_ns(&value.it_value);
		timer.interval_ns = rf_timer_timespec_ns(&value.it_interval);
		timers->entries[kept++] = timer;
	}
	timers->count = kept;
	return 0;
}

static int list_posix_timers(struct rf_process *process, struct rf_timers *timers,
			     struct rf_report *report)
{
	pid_t pid = process->tracees.pid;
	char *text = malloc(TIMERS_BYTES);
	long length = text ? rf_process_read(pid, "timers", text, TIMERS_BYTES) : -ENOMEM;
	int error = 0;

	if (length == -ENOENT) /* a kernel without CONFIG_CHECKPOINT_RESTORE */
		error = rf_source_lose(process->source,
				       "timers of timer_create(2), if there are any");
	else if (length < 0)
		error = rf_report(report, (int)-length, "/proc/%d/timers: %m", (int)pid);
	else
		error = rf_timers_parse(timers, text, pid, pid, report);
	free(text);
	return error;
}

static int ask_timers(struct rf_process *process, struct rf_report *report)
{
	struct rf_timers timers = {
		.entries = calloc(RF_IMAGE_MAX_TIMERS + RF_TIMER_POSIX, sizeof(*timers.entries)),
	};
	size_t first;
	int error = timers.entries ? 0 : rf_report(report, ENOMEM, "no memory for timers");

	if (error == 0)
		error = ask_itimers(process, &timers, report);
	first = timers.count;
	if (error == 0)
		error = list_posix_timers(process, &timers, report);
	if (error == 0)
		error = ask_posix_timers(process, &timers, first, report);
	process->source->image.timers = timers.entries;
	process->source->image.timer_count = error < 0 ? 0 : (uint32_t)timers.count;
	return error;
}

/* -- the whole --------------------------------------------------------------------------------- */

static int begin_calls(struct rf_process *process, size_t index, struct rf_report *report)
{
	struct rf_reader_thread *reader = &process->source->image.threads[index];

	return rf_tracee_begin_calls(&process->tracees, &process->tracees.threads[index],
				     &process->source->facts, &reader->image, reader->xsave,
				     report);
}

/* The main thread goes on making calls: memory is asked for later. */
static int ask_all(struct rf_process *process, struct rf_report *report)
{
	int error = 0;

	for (size_t i = process->tracees.count; i-- > 0 && error == 0;) {
		error = begin_calls(process, i, report);
		if (error == 0)
			error = ask_thread(process, i, report);
		if (i > 0)
			rf_tracee_end_calls(&process->tracees, &process->tracees.threads[i]);
	}
	if (error == 0)
		error = ask_actions(process, report);
	if (error == 0)
		error = ask_brk(process, report);
	if (error == 0)
		error = ask_clocks(process, report);
	return error < 0 ? error : ask_timers(process, report);
}

/* What cannot be asked, because there is no code with which it could be. */
static int lose_answers(struct rf_process *process, struct rf_report *report)
{
	struct rf_source *source = process->source;

	if (rf_source_lose(source, "signal actions") < 0 ||
	    rf_source_lose(source, "alternate signal stacks") < 0 ||
	    rf_source_lose(source, "timers") < 0 ||
	    rf_source_lose(source, "what its clocks showed") < 0 ||
	    rf_source_lose(source, "limits, priorities and other attributes") < 0 ||
	    rf_source_lose(source, "where thread ids are stored") < 0)
		return rf_report(report, ENOMEM, "no memory");
	return 0;
}

/* A handler is about to run that makes calls return, which otherwise are made again. */
static bool is_signalled(const struct rf_image *image, uint32_t index)
{
	for (uint32_t i = 0; i < image->pending_count; i++) {
		const struct rf_image_pending *pending = &image->pending[i];
		const struct rf_image_sigaction *action = &image->sigactions[pending->signal - 1];
		bool is_for_it = pending->flags & RF_PENDING_THREAD ? pending->thread == index
								    : index == 0;

		if (is_for_it && action->handler > (uintptr_t)SIG_IGN &&
		    !(image->threads[index].image.signal_mask >> (pending->signal - 1) & 1))
			return true;
	}
	return false;
}

int rf_process_read_threads(struct rf_process *process, struct rf_report *report)
{
	struct rf_image *image = &process->source->image;
	size_t count = process->tracees.count;
	int error = 0;

	image->threads = calloc(count, sizeof(*image->threads));
	if (!image->threads)
		return rf_report(report, ENOMEM, "no memory for the threads");
	image->head.threads = image->threads_read = (uint32_t)count;
	for (size_t i = 0; i < count && error == 0; i++)
		error = read_thread(process, i, report);
	if (error == 0)
		error = read_pending(process, report);
	if (error < 0)
		return error;
	process->can_call = rf_tracee_find_code(&process->tracees) == 0;
	error = process->can_call ? ask_all(process, report) : lose_answers(process, report);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		rf_arch_leave_call(&image->threads[i].image.registers, is_signalled(image, i));
		rf_arch_leave_trap(&image->threads[i].image.registers);
		error = rf_arch_check_thread(&image->threads[i].image, report);
	}
	return error;
}
