/* SPDX-License-Identifier: MIT */
/*
 * What undump --info says of limits, scheduling and other attributes of the process and its
 * threads.  Called by info.c and info_json.c.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "tools/describe.h"
#include "tools/info.h"
#include "tools/text.h"

#define LABEL_COLUMNS 12

static const char *const limit_names[RF_IMAGE_LIMITS] = {
	"CPU",	   "FSIZE", "DATA",  "STACK",	   "CORE",     "RSS",  "NPROC",	 "NOFILE",
	"MEMLOCK", "AS",    "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME",
};

static const char *name_policy(uint32_t policy)
{
	static const char *const names[] = { "SCHED_OTHER",   "SCHED_FIFO", "SCHED_RR",
					     "SCHED_BATCH",   NULL,	    "SCHED_IDLE",
					     "SCHED_DEADLINE" };

	return policy < sizeof(names) / sizeof(names[0]) && names[policy] ? names[policy]
									  : "another policy";
}

/* -- for people -------------------------------------------------------------------------------- */

static void print_limit(uint64_t limit)
{
	if (limit == UINT64_MAX)
		printf("unlimited");
	else
		printf("%lu", limit);
}

/* What is limited, three in a line. */
static void print_limits(const struct rf_image_state *state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < RF_IMAGE_LIMITS; i++) {
		const struct rf_image_limit *limit = &state->limits[i];

		if (limit->soft == UINT64_MAX && limit->hard == UINT64_MAX)
			continue;
		if (count % 3 == 0)
			printf("%s%-*s", count ? "\n" : "", LABEL_COLUMNS, count ? "" : "Limits");
		else
			printf("  ");
		printf("%s ", limit_names[i]);
		print_limit(limit->soft);
		printf(":");
		print_limit(limit->hard);
		count++;
	}
	if (count)
		putchar('\n');
}

/* Options of the process that are not as every process has them. */
static void print_options(const struct rf_image_state *state)
{
	printf("%-*soom_score_adj %d, coredump_filter %#x", LABEL_COLUMNS, "Options",
	       state->oom_score_adj, state->core_filter);
	if (state->personality)
		printf(", personality %#x", state->personality);
	if (state->securebits)
		printf(", securebits %#x", state->securebits);
	if (state->known & RF_STATE_DUMPABLE && state->dumpable != 1)
		printf(", not dumpable");
	if (state->flags & RF_STATE_NO_NEW_PRIVS)
		printf(", no_new_privs");
	if (state->flags & RF_STATE_SUBREAPER)
		printf(", subreaper");
	if (state->flags & RF_STATE_MERGE)
		printf(", merges pages");
	if (state->huge_pages)
		printf(", no huge pages");
	if (state->memory_deny)
		printf(", no memory that was written is executed");
	if (state->barriers)
		printf(", membarrier %#x", state->barriers);
	if (state->components)
		printf(", may use AMX");
	if (state->death_signal)
		printf(", %s when its parent dies", describe_signal(state->death_signal));
	putchar('\n');
}

void undump_info_state(const struct rf_image_state *state)
{
	if (state->known & RF_STATE_LIMITS)
		print_limits(state);
	if (state->known)
		print_options(state);
}

static void print_set(const char *what, const uint8_t *set, uint32_t bytes)
{
	if (bytes)
		printf(", %s", what);
	for (uint32_t i = 0; i < 8 * bytes; i++)
		if (set[i / 8] >> i % 8 & 1)
			printf(" %u", i);
}

void undump_info_thread_state(const struct rf_thread_attributes *thread)
{
	const struct rf_image_thread_state *state = &thread->image;

	printf("    %s", name_policy(state->schedule.policy));
	if (state->schedule.priority)
		printf(" %u", state->schedule.priority);
	printf(", nice %d, I/O priority %#x, timer slack %lu ns", state->schedule.nice,
	       state->io_priority, state->timer_slack_ns);
	print_set("CPUs", thread->cpus, state->cpu_bytes);
	print_set("NUMA nodes", thread->nodes, state->node_bytes);
	if (state->flags & RF_THREAD_STATE_TSC)
		printf(", no time-stamp counter");
	if (state->flags & RF_THREAD_STATE_IO_FLUSHER)
		printf(", flushes I/O");
	if (state->flags & RF_THREAD_STATE_NO_NEW_PRIVS)
		printf(", no_new_privs");
	putchar('\n');
}

/* -- for programs ------------------------------------------------------------------------------ */

static void write_limit(struct json *json, const char *key, uint64_t limit)
{
	if (limit == UINT64_MAX)
		json_string(json, key, "unlimited");
	else
		json_number(json, key, limit);
}

static void write_limits(struct json *json, const struct rf_image_state *state)
{
	json_open(json, "limits", '{');
	for (unsigned i = 0; i < RF_IMAGE_LIMITS; i++) {
		json_open(json, limit_names[i], '{');
		write_limit(json, "soft", state->limits[i].soft);
		write_limit(json, "hard", state->limits[i].hard);
		json_close(json, '{');
	}
	json_close(json, '{');
}

void undump_info_json_state(struct json *json, const struct rf_image_state *state)
{
	if (!state->known) {
		json_string(json, "state", NULL);
		return;
	}
	json_open(json, "state", '{');
	if (state->known & RF_STATE_LIMITS)
		write_limits(json, state);
	json_signed(json, "oom_score_adj", state->oom_score_adj);
	json_number(json, "coredump_filter", state->core_filter);
	json_number(json, "personality", state->personality);
	json_number(json, "securebits", state->securebits);
	json_number(json, "dumpable", state->dumpable);
	json_bool(json, "no_new_privs", state->flags & RF_STATE_NO_NEW_PRIVS);
	json_bool(json, "subreaper", state->flags & RF_STATE_SUBREAPER);
	json_bool(json, "memory_merge", state->flags & RF_STATE_MERGE);
	json_number(json, "huge_page_disable", state->huge_pages);
	json_number(json, "memory_deny", state->memory_deny);
	json_number(json, "death_signal", state->death_signal);
	json_signed(json, "autogroup_nice", state->autogroup_nice);
	json_number(json, "membarrier", state->barriers);
	json_number(json, "components", state->components);
	json_close(json, '{');
}

static void write_set(struct json *json, const char *key, const uint8_t *set, uint32_t bytes)
{
	if (!bytes) {
		json_string(json, key, NULL);
		return;
	}
	json_open(json, key, '[');
	for (uint32_t i = 0; i < 8 * bytes; i++)
		if (set[i / 8] >> i % 8 & 1)
			json_number(json, NULL, i);
	json_close(json, '[');
}

void undump_info_json_thread_state(struct json *json, const struct rf_thread_attributes *thread)
{
	const struct rf_image_thread_state *state = &thread->image;

	json_string(json, "name", state->comm);
	json_string(json, "policy", name_policy(state->schedule.policy));
	json_number(json, "priority", state->schedule.priority);
	json_signed(json, "nice", state->schedule.nice);
	json_number(json, "io_priority", state->io_priority);
	json_number(json, "timer_slack_ns", state->timer_slack_ns);
	write_set(json, "cpus", thread->cpus, state->cpu_bytes);
	write_set(json, "numa_nodes", thread->nodes, state->node_bytes);
	json_bool(json, "time_stamp_counter", !(state->flags & RF_THREAD_STATE_TSC));
	if (state->thread) /* else it is among what the process has */
		json_bool(json, "no_new_privs", state->flags & RF_THREAD_STATE_NO_NEW_PRIVS);
}
