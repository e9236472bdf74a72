/* SPDX-License-Identifier: MIT */
/*
 * Compares what a thread of an image has chosen with what the calling thread has, and changes what
 * differs.  Called by restore_attributes.c, for images with one thread, and by whoever leaves for
 * one with several, which tries.  In the common case, on a node that is as home is, nothing.
 */
#define _GNU_SOURCE
#include "rfork/restore_thread.h"

#include <errno.h>
#include <linux/prctl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "rfork/report.h"
#include "rfork/sys.h"

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif
/* Of sched_setattr(2), include/uapi/linux/sched.h. */
#define KEEP_SCHEDULE UINT64_C(0x18)
#define SET_UTIL_CLAMPS UINT64_C(0x60)
#define UTIL_CLAMP_MAX 1024u
#define IO_PRIORITY_OF_PROCESS 1
#define NUMBER_BYTES 24

/* -- attempts ---------------------------------------------------------------------------------- */

/* What one thread is given, and how that went. */
struct attempt {
	struct rf_thread_script *script; /* NULL = nobody does it again */
	struct rf_warnings *warnings;
};

static void note(struct rf_thread_script *script, long number, const uint64_t arguments[3],
		 uint8_t pointer, size_t bytes)
{
	struct rf_step *step = &script->steps[script->count];

	*step = (struct rf_step){ .check = RF_STEP_SUCCEEDS,
				  .number = (uint32_t)number,
				  .arguments = { arguments[0], arguments[1], arguments[2] } };
	script->pointers[script->count++] = pointer;
	if (pointer == RF_THREAD_SCRIPT_NO_POINTER)
		return;
	memcpy(script->memory + script->bytes, (const void *)(uintptr_t)arguments[pointer], bytes);
	step->arguments[pointer] = script->bytes;
	script->bytes += (uint32_t)(bytes + 7) & ~7u;
}

/* A call whose argument number `pointer` points to as many bytes. */
static long try_pointer(struct attempt *attempt, long number, const uint64_t arguments[3],
			uint8_t pointer, size_t bytes)
{
	long error = rf_syscall(number, arguments[0], arguments[1], arguments[2]);

	if (error >= 0 && attempt->script)
		note(attempt->script, number, arguments, pointer, bytes);
	return error;
}

/* prctl(2), whose further arguments the restorer has as 0. */
static long set_option(struct attempt *attempt, int option, uint64_t a, uint64_t b)
{
	const uint64_t arguments[3] = { (uint64_t)option, a, b };
	long error = rf_syscall(SYS_prctl, option, a, b, 0, 0);

	if (error >= 0 && attempt->script)
		note(attempt->script, SYS_prctl, arguments, RF_THREAD_SCRIPT_NO_POINTER, 0);
	return error;
}

static void warn_of_option(struct attempt *attempt, const char *name, long error)
{
	if (error < 0)
		rf_warn(attempt->warnings, (int)-error, "%s cannot be set: %m", name);
}

/* -- options ----------------------------------------------------------------------------------- */

static bool thread_differs(const struct rf_image_thread_state *image,
			   const struct rf_image_thread_state *own, uint32_t what,
			   uint64_t image_value, uint64_t own_value)
{
	if (!(image->known & what))
		return false;
	return own->known & what ? image_value != own_value : image_value != 0;
}

/* How many of a set's bits another lacks. */
static unsigned count_lacking(const uint8_t *set, const uint8_t *other, size_t bytes)
{
	unsigned count = 0;

	for (size_t i = 0; i < 8 * bytes; i++)
		count += (unsigned)(set[i / 8] & ~other[i / 8]) >> i % 8 & 1;
	return count;
}

/* The kernel takes of a set of CPUs those that there are. */
static void restore_cpus(const struct rf_thread_attributes *image,
			 const struct rf_thread_attributes *own, struct attempt *attempt)
{
	uint8_t got[RF_IMAGE_MAX_CPU_BYTES] = { 0 };
	uint32_t bytes = image->image.cpu_bytes;
	long error;
	unsigned lacking;

	/* one that may use any may use as many as there are here */
	if (!bytes || (own->image.cpu_bytes == bytes &&
		       memcmp(image->cpus, own->cpus, sizeof(image->cpus)) == 0))
		return;
	error = try_pointer(attempt, SYS_sched_setaffinity,
			    (const uint64_t[3]){ 0, bytes, (uintptr_t)image->cpus }, 2, bytes);
	if (error < 0) {
		rf_warn(attempt->warnings, (int)-error,
			"CPU affinity: this machine gives none of the CPUs that it names: %m");
		return;
	}
	rf_syscall(SYS_sched_getaffinity, 0, sizeof(got), got);
	lacking = count_lacking(image->cpus, got, bytes);
	if (lacking)
		rf_warn(attempt->warnings, 0,
			"CPU affinity: this machine does not give %u of the CPUs that it names",
			lacking);
}

static void restore_memory_policy(const struct rf_thread_attributes *image,
				  const struct rf_thread_attributes *own, struct attempt *attempt)
{
	const uint64_t bits = 8 * image->image.node_bytes, policy = image->image.memory_policy;
	long error;

	if (!thread_differs(&image->image, &own->image, RF_THREAD_STATE_MEMORY_POLICY,
			    image->image.memory_policy, own->image.memory_policy) &&
	    memcmp(image->nodes, own->nodes, sizeof(image->nodes)) == 0)
		return;
	/* the kernel counts one bit less */
	error = bits ? try_pointer(attempt, SYS_set_mempolicy,
				   (const uint64_t[3]){ policy, (uintptr_t)image->nodes, bits + 1 },
				   1, bits / 8)
		     : try_pointer(attempt, SYS_set_mempolicy, (const uint64_t[3]){ policy },
				   RF_THREAD_SCRIPT_NO_POINTER, 0);
	if (error < 0)
		rf_warn(attempt->warnings, (int)-error,
			"NUMA memory policy: this machine does not give it: %m");
}

/* Whether a CPU that cannot be told what to do does not do what is wanted. */
static bool is_speculation_missing(uint32_t which, uint32_t wanted, uint32_t own)
{
	uint32_t demand = which == PR_SPEC_L1D_FLUSH ? PR_SPEC_ENABLE
						     : PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE |
							       PR_SPEC_DISABLE_NOEXEC;

	return wanted & demand && own && !(own & demand);
}

static void restore_speculation(const struct rf_image_thread_state *image,
				const struct rf_image_thread_state *own, struct attempt *attempt)
{
	static const char *const names[RF_SPECULATIONS] = { "store bypass", "indirect branches",
							    "flushes of the L1 cache" };
	const uint32_t chosen = PR_SPEC_ENABLE | PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE |
				PR_SPEC_DISABLE_NOEXEC;

	for (uint32_t i = 0; i < RF_SPECULATIONS; i++) {
		uint32_t wanted = image->speculation[i] & chosen;
		long error;

		if (!(image->speculation[i] & PR_SPEC_PRCTL) ||
		    image->speculation[i] == own->speculation[i] ||
		    (!(own->speculation[i] & PR_SPEC_PRCTL) &&
		     !is_speculation_missing(i, wanted, own->speculation[i])))
			continue;
		error = set_option(attempt, PR_SET_SPECULATION_CTRL, i, wanted);
		if (error < 0)
			rf_warn(attempt->warnings, (int)-error,
				"speculation control of %s cannot be set: %m", names[i]);
	}
}

static void restore_options(const struct rf_image_thread_state *image,
			    const struct rf_image_thread_state *own, struct attempt *attempt)
{
	long error = 0;

	/* 0, of a thread with a realtime policy, would be the default */
	if (image->timer_slack_ns && thread_differs(image, own, RF_THREAD_STATE_TIMER_SLACK,
						    image->timer_slack_ns, own->timer_slack_ns))
		warn_of_option(attempt, "the timer slack",
			       set_option(attempt, PR_SET_TIMERSLACK, image->timer_slack_ns, 0));
	if (thread_differs(image, own, RF_THREAD_STATE_MACHINE_CHECKS, image->machine_checks,
			   own->machine_checks))
		warn_of_option(attempt, "what a machine check does (PR_MCE_KILL)",
			       set_option(attempt, PR_MCE_KILL, PR_MCE_KILL_SET,
					  image->machine_checks));
	if (thread_differs(image, own, RF_THREAD_STATE_IO_FLUSHER,
			   image->flags & RF_THREAD_STATE_IO_FLUSHER,
			   own->flags & RF_THREAD_STATE_IO_FLUSHER))
		warn_of_option(attempt, "PR_SET_IO_FLUSHER",
			       set_option(attempt, PR_SET_IO_FLUSHER,
					  !!(image->flags & RF_THREAD_STATE_IO_FLUSHER), 0));
	if (thread_differs(image, own, RF_THREAD_STATE_IO_PRIORITY, image->io_priority,
			   own->io_priority))
		error = try_pointer(attempt, SYS_ioprio_set,
				    (const uint64_t[3]){ IO_PRIORITY_OF_PROCESS, 0,
							 image->io_priority },
				    RF_THREAD_SCRIPT_NO_POINTER, 0);
	if (error < 0)
		rf_warn(attempt->warnings, (int)-error, "I/O priority: it is 0x%x, not 0x%x: %m",
			own->io_priority, image->io_priority);
	if (image->flags & RF_THREAD_STATE_CORE_COOKIE)
		rf_warn(attempt->warnings, 0,
			"core scheduling: the cookie means nothing here, and there is none");
}

/* -- its schedule ------------------------------------------------------------------------------ */

static const char *name_policy(char text[NUMBER_BYTES], uint32_t policy)
{
	static const char *const names[] = { "SCHED_OTHER",    "SCHED_FIFO", "SCHED_RR",
					     "SCHED_BATCH",    "SCHED_ISO",  "SCHED_IDLE",
					     "SCHED_DEADLINE", "SCHED_EXT" };

	if (policy < sizeof(names) / sizeof(names[0]))
		return names[policy];
	rf_format(text, NUMBER_BYTES, "policy %u", policy);
	return text;
}

static bool has_nice(uint32_t policy)
{
	return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

static long set_schedule(struct attempt *attempt, const struct rf_image_schedule *schedule)
{
	return try_pointer(attempt, SYS_sched_setattr,
			   (const uint64_t[3]){ 0, (uintptr_t)schedule, 0 }, 1, sizeof(*schedule));
}

static void warn_of_nice(const struct rf_image_schedule *image, const struct rf_image_schedule *own,
			 long error, struct attempt *attempt)
{
	if (error < 0 && image->nice < own->nice)
		rf_warn(attempt->warnings, (int)-error, "nice value: it is %d, not %d: %m",
			own->nice, image->nice);
}

/* With SCHED_IDLE the kernel takes no nice value, but leaves the thread the one that it had; then
 * it keeps what it is given by setpriority(2).  Source: Linux, __setscheduler_params(). */
static void restore_nice(const struct rf_image_schedule *image, const struct rf_image_schedule *own,
			 struct attempt *attempt)
{
	const uint64_t arguments[3] = { PRIO_PROCESS, 0, (uint64_t)image->nice };

	if (image->policy == SCHED_IDLE && image->nice != own->nice)
		warn_of_nice(image, own,
			     try_pointer(attempt, SYS_setpriority, arguments,
					 RF_THREAD_SCRIPT_NO_POINTER, 0),
			     attempt);
}

/* Without the policy there is still the nice value, and without that still the policy. */
static void restore_policy(const struct rf_image_schedule *image,
			   const struct rf_image_schedule *own, struct attempt *attempt)
{
	struct rf_image_schedule schedule = *image;
	char image_text[NUMBER_BYTES], own_text[NUMBER_BYTES];
	long error = set_schedule(attempt, &schedule);

	if (error == 0) {
		restore_nice(image, own, attempt);
		return;
	}
	if (!has_nice(image->policy)) {
		rf_warn(attempt->warnings, (int)-error,
			"scheduling policy: it is %s, not %s %u: %m",
			name_policy(own_text, own->policy), name_policy(image_text, image->policy),
			image->priority);
		return;
	}
	warn_of_nice(image, own, error, attempt);
	schedule.nice = own->nice;
	error = set_schedule(attempt, &schedule);
	if (error < 0)
		rf_warn(attempt->warnings, (int)-error, "scheduling policy: it is %s, not %s: %m",
			name_policy(own_text, own->policy), name_policy(image_text, image->policy));
}

/* A kernel without them shows 0 for both; one that has not chosen any has all there is. */
static bool has_clamps(const struct rf_image_schedule *schedule)
{
	return schedule->util_max && (schedule->util_min || schedule->util_max < UTIL_CLAMP_MAX);
}

static void set_clamps(const struct rf_image_schedule *image, const struct rf_image_schedule *own,
		       struct attempt *attempt)
{
	const struct rf_image_schedule clamps = { .bytes = sizeof(clamps),
						  .flags = SET_UTIL_CLAMPS | KEEP_SCHEDULE,
						  .util_min = image->util_min,
						  .util_max = image->util_max };
	long error = set_schedule(attempt, &clamps);

	if (error < 0)
		rf_warn(attempt->warnings, (int)-error,
			"utilization clamps: they are %u to %u, not %u to %u: %m", own->util_min,
			own->util_max, image->util_min, image->util_max);
}

/* A realtime policy has other ones than it had before, unless they have been chosen. */
static void restore_clamps(const struct rf_image_schedule *image,
			   const struct rf_image_schedule *own, struct attempt *attempt)
{
	if (image->util_min == own->util_min && image->util_max == own->util_max)
		return;
	if (has_nice(image->policy) ? has_clamps(image) || has_clamps(own)
				    : image->util_max && image->policy == own->policy)
		set_clamps(image, own, attempt);
}

static void restore_schedule(const struct rf_image_thread_state *image,
			     const struct rf_image_thread_state *own, struct attempt *attempt)
{
	struct rf_image_schedule wanted = image->schedule, had = own->schedule;

	if (!(image->known & own->known & RF_THREAD_STATE_SCHEDULE))
		return;
	wanted.util_min = wanted.util_max = had.util_min = had.util_max = 0;
	if (memcmp(&wanted, &had, sizeof(wanted)) != 0)
		restore_policy(&wanted, &had, attempt);
	restore_clamps(&image->schedule, &own->schedule, attempt);
}

/* -- the whole --------------------------------------------------------------------------------- */

void rf_restore_thread(const struct rf_thread_attributes *image,
		       const struct rf_thread_attributes *own, struct rf_thread_script *script,
		       struct rf_warnings *warnings)
{
	struct attempt attempt = { script, warnings };

	if (image->image.known & RF_THREAD_STATE_MEMORY_POLICY)
		restore_memory_policy(image, own, &attempt);
	restore_speculation(&image->image, &own->image, &attempt);
	restore_options(&image->image, &own->image, &attempt);
	restore_cpus(image, own, &attempt);
	restore_schedule(&image->image, &own->image, &attempt);
	if (image->image.flags & RF_THREAD_STATE_NO_NEW_PRIVS)
		warn_of_option(&attempt, "no_new_privs",
			       set_option(&attempt, PR_SET_NO_NEW_PRIVS, 1, 0));
}

void rf_restore_script_others(struct rf_thread_script *script,
			      const struct rf_thread_attributes *image,
			      const struct rf_thread_attributes *own)
{
	const uint64_t name[3] = { PR_SET_NAME, (uintptr_t)image->image.comm };
	const uint64_t counter[3] = { PR_SET_TSC, image->image.flags & RF_THREAD_STATE_TSC
							  ? PR_TSC_SIGSEGV
							  : PR_TSC_ENABLE };

	note(script, SYS_prctl, name, 1, sizeof(image->image.comm));
	if ((image->image.flags ^ own->image.flags) & RF_THREAD_STATE_TSC)
		note(script, SYS_prctl, counter, RF_THREAD_SCRIPT_NO_POINTER, 0);
}

size_t rf_restore_write_script(struct rf_step *steps, unsigned char *memory,
			       const struct rf_thread_script *script)
{
	memcpy(memory, script->memory, script->bytes);
	memcpy(steps, script->steps, script->count * sizeof(*steps));
	for (uint32_t i = 0; i < script->count; i++)
		if (script->pointers[i] != RF_THREAD_SCRIPT_NO_POINTER)
			steps[i].arguments[script->pointers[i]] += (uintptr_t)memory;
	return script->count;
}
