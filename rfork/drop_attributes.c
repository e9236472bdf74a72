/* SPDX-License-Identifier: MIT */
/*
 * Leaves attributes of the process, or of its threads, out of an image: then they are not known,
 * and a restorer leaves its own.  Called by drop.c for tests.
 */
#include <string.h>

#include "rfork/drop_parts.h"

static size_t drop_state(void *payload, size_t bytes, uint32_t what)
{
	struct rf_image_state *state = payload;

	state->known &= ~what;
	state->flags &= ~what;
	return bytes;
}

static size_t drop_thread_state(void *payload, size_t bytes, uint32_t what)
{
	struct rf_image_thread_state *state = payload;

	state->known &= ~what;
	state->flags &= ~what;
	return bytes;
}

#define STATE(name, what)                                                                          \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes)                   \
	{                                                                                          \
		(void)drop;                                                                        \
		return drop_state(payload, bytes, RF_STATE_##what);                                \
	}
#define THREAD_STATE(name, what)                                                                   \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes)                   \
	{                                                                                          \
		(void)drop;                                                                        \
		return drop_thread_state(payload, bytes, RF_THREAD_STATE_##what);                  \
	}
/* What is not known must be 0 as well. */
#define STATE_FIELD(name, what, member)                                                            \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes)                   \
	{                                                                                          \
		(void)drop;                                                                        \
		((struct rf_image_state *)payload)->member = 0;                                    \
		return drop_state(payload, bytes, RF_STATE_##what);                                \
	}

STATE(limits, LIMITS)
STATE(personality, PERSONALITY)
STATE(securebits, SECUREBITS)
STATE(oom_score, OOM_SCORE)
STATE(core_filter, CORE_FILTER)
STATE(merging, MERGE)
STATE(no_new_privs, NO_NEW_PRIVS)
STATE(subreaper, SUBREAPER)
STATE(autogroup, AUTOGROUP)
STATE_FIELD(dumpable, DUMPABLE, dumpable)
STATE_FIELD(huge_pages, HUGE_PAGES, huge_pages)
STATE_FIELD(memory_deny, MEMORY_DENY, memory_deny)
STATE_FIELD(death_signal, DEATH_SIGNAL, death_signal)
STATE_FIELD(components, COMPONENTS, components)
STATE_FIELD(barriers, BARRIERS, barriers)
THREAD_STATE(schedule, SCHEDULE)
THREAD_STATE(timer_slack, TIMER_SLACK)
THREAD_STATE(io_priority, IO_PRIORITY)
THREAD_STATE(machine_checks, MACHINE_CHECKS)
THREAD_STATE(time_stamps, TSC)
THREAD_STATE(io_flusher, IO_FLUSHER)

/* 0 says of a kind that it is none. */
size_t rf_drop_speculation(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_thread_state *state = payload;

	(void)drop;
	memset(state->speculation, 0, sizeof(state->speculation));
	return bytes;
}

/* The nodes lie behind the CPUs. */
size_t rf_drop_cpus(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_thread_state *state = payload;
	unsigned char *cpus = (unsigned char *)(state + 1);
	uint32_t cpu_bytes = state->cpu_bytes;

	(void)drop;
	memmove(cpus, cpus + cpu_bytes, state->node_bytes);
	state->cpu_bytes = 0;
	return bytes - cpu_bytes;
}

size_t rf_drop_memory_policy(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_thread_state *state = payload;
	uint32_t node_bytes = state->node_bytes;

	(void)drop;
	state->node_bytes = 0;
	return drop_thread_state(payload, bytes, RF_THREAD_STATE_MEMORY_POLICY) - node_bytes;
}
