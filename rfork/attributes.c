/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel for what a process has chosen or inherited.  Called while the caller waits for
 * its node anyway: some forty calls, and three files of /proc.
 */
#define _GNU_SOURCE
#include "rfork/attributes.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"

/* include/uapi/linux/ioprio.h */
#define IO_PRIORITY_OF_PROCESS 1
/* Missing in older headers, and before Linux 6.3: MEMBARRIER_CMD_GET_REGISTRATIONS. */
#define GET_REGISTRATIONS 512
/* The components that a process must ask for: tiles of AMX.  Others are there from the start. */
#define ASKED_COMPONENTS (UINT64_C(1) << 18)
/* What sched_getattr(2) tells that a thread has chosen; the rest tells how it may be set. */
#define SCHEDULE_FLAGS                                                                             \
	((uint64_t)(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM | SCHED_FLAG_DL_OVERRUN))
#ifndef SCHED_FLAG_RESET_ON_FORK
#define SCHED_FLAG_RESET_ON_FORK 1
#define SCHED_FLAG_RECLAIM 2
#define SCHED_FLAG_DL_OVERRUN 4
#endif
#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

/* -- asking ------------------------------------------------------------------------------------ */

static long call_own(void *context, long number, const uint64_t arguments[5], void *answer,
		     size_t bytes, unsigned place)
{
	uint64_t a[5];

	(void)context;
	(void)bytes;
	memcpy(a, arguments, sizeof(a));
	if (answer)
		a[place] = (uintptr_t)answer;
	return rf_syscall(number, a[0], a[1], a[2], a[3], a[4]);
}

const struct rf_attribute_source rf_attributes_own = {
	.process = "self",
	.call = call_own,
};

static long ask(const struct rf_attribute_source *source, long number, uint64_t a, uint64_t b,
		uint64_t c)
{
	return source->call(source->context, number, (const uint64_t[5]){ a, b, c }, NULL, 0, 0);
}

/* Marks in *known what a call has told. */
static void tell(uint32_t *known, uint32_t what, uint32_t *value, long answer)
{
	if (answer < 0)
		return;
	*known |= what;
	*value = (uint32_t)answer;
}

static void ask_option(const struct rf_attribute_source *source, uint32_t *known, uint32_t what,
		       uint32_t *value, int option)
{
	tell(known, what, value, ask(source, SYS_prctl, (uint64_t)option, 0, 0));
}

/* Options whose answer is stored, as an int. */
static void ask_stored(const struct rf_attribute_source *source, uint32_t *known, uint32_t what,
		       uint32_t *value, int option)
{
	uint32_t answer = 0;
	long error = source->call(source->context, SYS_prctl,
				  (const uint64_t[5]){ (uint64_t)option }, &answer, sizeof(answer),
				  1);

	tell(known, what, value, error < 0 ? error : (long)answer);
}

static void set_flag(uint32_t *flags, uint32_t flag, uint32_t value)
{
	if (value)
		*flags |= flag;
}

/* -- of the process ---------------------------------------------------------------------------- */

static void collect_limits(struct rf_image_state *state, const struct rf_attribute_source *source)
{
	for (uint64_t i = 0; i < RF_IMAGE_LIMITS; i++)
		if (source->call(source->context, SYS_prlimit64, (const uint64_t[5]){ 0, i },
				 &state->limits[i], sizeof(state->limits[i]), 3) < 0)
			return;
	state->known |= RF_STATE_LIMITS;
}

/* The number at the end of a file of /proc; false if there is none.  Also where there is no
 * strtol(3). */
static bool read_number(const struct rf_attribute_source *source, const char *name, long base,
			long *number)
{
	static const char digits[] = "0123456789abcdef";
	char path[64], text[128];
	long length, place = 1, value = 0;

	rf_format(path, sizeof(path), "/proc/%s/%s", source->process, name);
	length = rf_io_read_file(path, text, sizeof(text));
	if (length <= 1)
		return false;
	for (length -= 2; length >= 0; length--) { /* it ends with a newline */
		const char *digit = text[length] ? strchr(digits, text[length]) : NULL;

		if (!digit || digit - digits >= base)
			break;
		value += place * (digit - digits);
		place *= base;
	}
	*number = length >= 0 && text[length] == '-' ? -value : value;
	return place > 1;
}

static void collect_files(struct rf_image_state *state, const struct rf_attribute_source *source)
{
	long number;

	if (read_number(source, "oom_score_adj", 10, &number)) {
		state->oom_score_adj = (int32_t)number;
		state->known |= RF_STATE_OOM_SCORE;
	}
	if (read_number(source, "coredump_filter", 16, &number)) {
		state->core_filter = (uint32_t)number;
		state->known |= RF_STATE_CORE_FILTER;
	}
	if (read_number(source, "autogroup", 10, &number)) {
		state->autogroup_nice = (int32_t)number;
		state->known |= RF_STATE_AUTOGROUP;
	}
}

static void collect_components(struct rf_image_state *state,
			       const struct rf_attribute_source *source)
{
	uint64_t components = 0;

	if (source->call(source->context, SYS_arch_prctl, (const uint64_t[5]){ RF_GET_COMPONENTS },
			 &components, sizeof(components), 1) < 0)
		return;
	state->known |= RF_STATE_COMPONENTS;
	state->components = components & ASKED_COMPONENTS;
}

/* What can be used without an error is registered for; of another's barriers nothing tells. */
static uint32_t probe_barriers(const struct rf_attribute_source *source)
{
	static const struct {
		uint32_t use, registration;
	} barriers[] = {
		{ MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED },
		{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
		  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE },
		{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
		  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ },
	};
	uint32_t registered = 0;

	for (size_t i = 0; i < sizeof(barriers) / sizeof(barriers[0]); i++)
		if (ask(source, SYS_membarrier, barriers[i].use, 0, 0) == 0)
			registered |= barriers[i].registration;
	return registered;
}

static void collect_barriers(struct rf_image_state *state, const struct rf_attribute_source *source)
{
	long registered = ask(source, SYS_membarrier, GET_REGISTRATIONS, 0, 0);

	if (registered == -EINVAL)
		registered = probe_barriers(source);
	if (registered >= 0)
		registered &= RF_STATE_ALL_BARRIERS;
	tell(&state->known, RF_STATE_BARRIERS, &state->barriers, registered);
}

void rf_attributes_collect_process(struct rf_image_state *state,
				   const struct rf_attribute_source *source)
{
	const uint64_t no_change = UINT32_MAX;
	uint32_t *known = &state->known;
	uint32_t merge = 0, no_new_privs = 0, subreaper = 0;

	memset(state, 0, sizeof(*state));
	collect_limits(state, source);
	tell(known, RF_STATE_PERSONALITY, &state->personality,
	     ask(source, SYS_personality, no_change, 0, 0));
	ask_option(source, known, RF_STATE_DUMPABLE, &state->dumpable, PR_GET_DUMPABLE);
	ask_option(source, known, RF_STATE_SECUREBITS, &state->securebits, PR_GET_SECUREBITS);
	ask_option(source, known, RF_STATE_HUGE_PAGES, &state->huge_pages, PR_GET_THP_DISABLE);
	ask_option(source, known, RF_STATE_MEMORY_DENY, &state->memory_deny, RF_PR_GET_MDWE);
	ask_option(source, known, RF_STATE_MERGE, &merge, RF_PR_GET_MEMORY_MERGE);
	ask_option(source, known, RF_STATE_NO_NEW_PRIVS, &no_new_privs, PR_GET_NO_NEW_PRIVS);
	ask_stored(source, known, RF_STATE_SUBREAPER, &subreaper, PR_GET_CHILD_SUBREAPER);
	ask_stored(source, known, RF_STATE_DEATH_SIGNAL, &state->death_signal, PR_GET_PDEATHSIG);
	set_flag(&state->flags, RF_STATE_MERGE, merge);
	set_flag(&state->flags, RF_STATE_NO_NEW_PRIVS, no_new_privs);
	set_flag(&state->flags, RF_STATE_SUBREAPER, subreaper);
	collect_components(state, source);
	collect_barriers(state, source);
	collect_files(state, source);
}

/* -- of a thread ------------------------------------------------------------------------------- */

/* Only deadlines have these of their own; else the kernel tells how long it lets a thread run. */
static void drop_defaults(struct rf_image_schedule *schedule)
{
	schedule->flags &= SCHEDULE_FLAGS;
	if (schedule->policy != SCHED_DEADLINE)
		schedule->runtime_ns = schedule->deadline_ns = schedule->period_ns = 0;
}

static void collect_schedule(struct rf_image_thread_state *state,
			     const struct rf_attribute_source *source)
{
	struct rf_image_schedule *schedule = &state->schedule;

	if (rf_syscall(SYS_sched_getattr, source->tid, schedule, sizeof(*schedule), 0) < 0) {
		memset(schedule, 0, sizeof(*schedule));
		return;
	}
	schedule->bytes =
		sizeof(*schedule); /* an older kernel has written less, and zeros follow */
	drop_defaults(schedule);
	state->known |= RF_THREAD_STATE_SCHEDULE;
}

static const char *take_number(const char *text, unsigned long *number)
{
	for (*number = 0; *text >= '0' && *text <= '9'; text++)
		*number = 10 * *number + (unsigned long)(*text - '0');
	return text;
}

/* The CPUs that there are, from a list of ranges; 0 if that cannot be read. */
static size_t read_online(uint8_t *cpus, size_t bytes)
{
	char text[4096];
	const char *next = text;

	memset(cpus, 0, bytes);
	if (rf_io_read_file("/sys/devices/system/cpu/online", text, sizeof(text)) <= 0)
		return 0;
	do {
		unsigned long first, last;

		next = take_number(next, &first);
		last = first;
		if (*next == '-')
			next = take_number(next + 1, &last);
		for (; first <= last && first < 8 * bytes; first++)
			cpus[first / 8] |= (uint8_t)(1u << first % 8);
	} while (*next++ == ',');
	return bytes;
}

/*
 * A thread that may use what the first process of the system, or of the container, may use has
 * not been restricted by anybody who meant it.
 */
static bool is_restricted(const uint8_t *cpus, size_t bytes, pid_t pid)
{
	uint8_t others[RF_IMAGE_MAX_CPU_BYTES];
	const pid_t first = 1;
	long got = -ESRCH;

	if (pid != first)
		got = rf_syscall(SYS_sched_getaffinity, first, sizeof(others), others);
	if (got < 0)
		got = (long)read_online(others, bytes);
	if (got != (long)bytes)
		return got > 0;
	for (size_t i = 0; i < bytes; i++)
		if (others[i] & ~cpus[i])
			return true;
	return false;
}

static void collect_cpus(struct rf_thread_attributes *thread,
			 const struct rf_attribute_source *source)
{
	pid_t pid = source->pid ? source->pid : (pid_t)rf_syscall(SYS_getpid);
	long bytes =
		rf_syscall(SYS_sched_getaffinity, source->tid, sizeof(thread->cpus), thread->cpus);

	if (bytes <= 0)
		return;
	thread->image.known |= RF_THREAD_STATE_CPUS;
	if (is_restricted(thread->cpus, (size_t)bytes, pid))
		thread->image.cpu_bytes = (uint32_t)bytes;
	else
		memset(thread->cpus, 0, sizeof(thread->cpus));
}

/* Policy and nodes come in one answer. */
static void collect_memory_policy(struct rf_thread_attributes *thread,
				  const struct rf_attribute_source *source)
{
	struct {
		uint8_t nodes[RF_IMAGE_MAX_NODE_BYTES];
	} answer = { 0 };
	const uint64_t bits = 8 * RF_IMAGE_MAX_NODE_BYTES;
	uint32_t policy = 0;

	if (source->call(source->context, SYS_get_mempolicy, (const uint64_t[5]){ 0 }, &policy,
			 sizeof(policy), 0) < 0)
		return; /* a kernel without NUMA */
	thread->image.memory_policy = policy;
	thread->image.known |= RF_THREAD_STATE_MEMORY_POLICY;
	if (!policy ||
	    source->call(source->context, SYS_get_mempolicy, (const uint64_t[5]){ 0, 0, bits },
			 &answer, sizeof(answer), 1) < 0)
		return;
	memcpy(thread->nodes, answer.nodes, sizeof(thread->nodes));
	thread->image.node_bytes = sizeof(thread->nodes);
}

static void collect_speculation(struct rf_image_thread_state *state,
				const struct rf_attribute_source *source)
{
	for (uint64_t i = 0; i < RF_SPECULATIONS; i++)
		tell(&state->known, RF_THREAD_STATE_SPECULATION, &state->speculation[i],
		     ask(source, SYS_prctl, PR_GET_SPECULATION_CTRL, i, 0));
}

/* Nobody may tell another process's; and a kernel without them says so. */
static void collect_cookie(struct rf_image_thread_state *state,
			   const struct rf_attribute_source *source)
{
	const uint64_t this_thread = 0;
	uint64_t cookie = 0;

	if (source->tid || rf_syscall(SYS_prctl, PR_SCHED_CORE, PR_SCHED_CORE_GET, this_thread,
				      PR_SCHED_CORE_SCOPE_THREAD, &cookie) < 0)
		return;
	state->known |= RF_THREAD_STATE_CORE_COOKIE;
	set_flag(&state->flags, RF_THREAD_STATE_CORE_COOKIE, cookie != 0);
}

static void collect_options(struct rf_image_thread_state *state,
			    const struct rf_attribute_source *source)
{
	long slack = ask(source, SYS_prctl, PR_GET_TIMERSLACK, 0, 0);
	uint32_t tsc = 0, flusher = 0;

	if (slack >= 0) {
		state->timer_slack_ns = (uint64_t)slack;
		state->known |= RF_THREAD_STATE_TIMER_SLACK;
	}
	ask_stored(source, &state->known, RF_THREAD_STATE_TSC, &tsc, PR_GET_TSC);
	set_flag(&state->flags, RF_THREAD_STATE_TSC, tsc == PR_TSC_SIGSEGV);
	ask_option(source, &state->known, RF_THREAD_STATE_IO_FLUSHER, &flusher, PR_GET_IO_FLUSHER);
	set_flag(&state->flags, RF_THREAD_STATE_IO_FLUSHER, flusher);
	ask_option(source, &state->known, RF_THREAD_STATE_MACHINE_CHECKS, &state->machine_checks,
		   PR_MCE_KILL_GET);
	tell(&state->known, RF_THREAD_STATE_IO_PRIORITY, &state->io_priority,
	     rf_syscall(SYS_ioprio_get, IO_PRIORITY_OF_PROCESS, source->tid));
}

void rf_attributes_collect_thread(struct rf_thread_attributes *thread,
				  const struct rf_attribute_source *source)
{
	memset(thread, 0, sizeof(*thread));
	collect_schedule(&thread->image, source);
	collect_cpus(thread, source);
	collect_memory_policy(thread, source);
	collect_speculation(&thread->image, source);
	collect_options(&thread->image, source);
	collect_cookie(&thread->image, source);
}

void rf_attributes_collect(struct rf_attributes *attributes)
{
	rf_attributes_collect_process(&attributes->state, &rf_attributes_own);
	rf_attributes_collect_thread(&attributes->thread, &rf_attributes_own);
	rf_sys_prctl(PR_GET_NAME, (unsigned long)attributes->thread.image.comm, 0, 0, 0);
}

/* -- fork -------------------------------------------------------------------------------------- */

/* Source: Linux, sched_fork() of kernel/sched/core.c. */
static void fork_schedule(struct rf_image_schedule *schedule)
{
	bool is_fair = schedule->policy == SCHED_OTHER || schedule->policy == SCHED_BATCH ||
		       schedule->policy == SCHED_IDLE;

	if (!(schedule->flags & SCHED_FLAG_RESET_ON_FORK))
		return;
	if (!is_fair)
		*schedule = (struct rf_image_schedule){ .bytes = sizeof(*schedule),
							.policy = SCHED_OTHER,
							.util_max = schedule->util_max };
	if (schedule->nice < 0)
		schedule->nice = 0;
	schedule->flags = 0;
}

void rf_attributes_fork(struct rf_attributes *attributes)
{
	struct rf_image_state *state = &attributes->state;

	state->flags &= ~RF_STATE_SUBREAPER;
	state->death_signal = 0;
	if (state->memory_deny & RF_MDWE_NO_INHERIT)
		state->memory_deny = 0;
	fork_schedule(&attributes->thread.image.schedule);
}
