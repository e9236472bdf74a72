/* SPDX-License-Identifier: MIT */
/*
 * Reads what a process and its threads have chosen for themselves.  A part of the reader of
 * images, and under its rules: every value is one that the kernel takes, or at least may.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

#define OOM_SCORE_MAX 1000
#define NICE_MIN (-20)
#define NICE_MAX 19
#define UTIL_MAX 1024u

static bool is_one_of(uint32_t value, uint32_t known, uint32_t flag, uint32_t largest)
{
	return value <= (known & flag ? largest : 0);
}

/* Why it is none; NULL if it is one. */
static const char *find_state_fault(const struct rf_image_state *state)
{
	uint32_t known = state->known;

	if (known & ~RF_STATE_ALL ||
	    state->flags & ~(known & (RF_STATE_MERGE | RF_STATE_NO_NEW_PRIVS | RF_STATE_SUBREAPER)))
		return "STATE has an unknown property";
	if (state->barriers & ~(known & RF_STATE_BARRIERS ? RF_STATE_ALL_BARRIERS : 0))
		return "STATE has an unknown registration";
	for (size_t i = 0; i < RF_IMAGE_LIMITS; i++)
		if (state->limits[i].soft > state->limits[i].hard)
			return "a limit is above its hard limit";
	if (state->oom_score_adj < -OOM_SCORE_MAX || state->oom_score_adj > OOM_SCORE_MAX ||
	    state->autogroup_nice < NICE_MIN || state->autogroup_nice > NICE_MAX ||
	    !is_one_of(state->dumpable, known, RF_STATE_DUMPABLE, 2) ||
	    !is_one_of(state->huge_pages, known, RF_STATE_HUGE_PAGES, 3) ||
	    !is_one_of(state->memory_deny, known, RF_STATE_MEMORY_DENY, 3) ||
	    !is_one_of(state->death_signal, known, RF_STATE_DEATH_SIGNAL, RF_IMAGE_SIGNALS))
		return "STATE has a field out of range";
	return NULL;
}

int rf_record_take_state(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	const char *fault;

	if (bytes != sizeof(image->state))
		return rf_record_corrupt(reader, "STATE has another length");
	memcpy(&image->state, reader->payload, bytes);
	fault = find_state_fault(&image->state);
	return fault ? rf_record_corrupt(reader, fault) : 0;
}

static const char *find_thread_fault(const struct rf_image_thread_state *state)
{
	const uint32_t flags = RF_THREAD_STATE_TSC | RF_THREAD_STATE_IO_FLUSHER |
			       RF_THREAD_STATE_CORE_COOKIE | RF_THREAD_STATE_NO_NEW_PRIVS;
	const struct rf_image_schedule *schedule = &state->schedule;

	if (state->known & ~RF_THREAD_STATE_ALL || state->flags & ~(state->known & flags) ||
	    state->reserved)
		return "THREAD_STATE has an unknown property";
	if (state->known & RF_THREAD_STATE_SCHEDULE && schedule->bytes != sizeof(*schedule))
		return "a schedule has another length";
	if (schedule->nice < NICE_MIN || schedule->nice > NICE_MAX ||
	    schedule->util_min > UTIL_MAX || schedule->util_max > UTIL_MAX)
		return "a schedule is out of range";
	return NULL;
}

/* Sets of bits must be those that are in use, and of whole words. */
static bool are_sets_right(const struct rf_image_thread_state *state, size_t bytes)
{
	if (state->cpu_bytes > RF_IMAGE_MAX_CPU_BYTES ||
	    state->node_bytes > RF_IMAGE_MAX_NODE_BYTES || state->cpu_bytes % 8 ||
	    state->node_bytes % 8)
		return false;
	if ((state->cpu_bytes && !(state->known & RF_THREAD_STATE_CPUS)) ||
	    (state->node_bytes && !(state->known & RF_THREAD_STATE_MEMORY_POLICY)))
		return false;
	return bytes == sizeof(*state) + state->cpu_bytes + state->node_bytes;
}

static int keep_thread(struct rf_reader *reader, struct rf_reader_thread *thread,
		       const struct rf_image_thread_state *state)
{
	const unsigned char *sets = reader->payload + sizeof(*state);

	thread->attributes = calloc(1, sizeof(*thread->attributes));
	if (!thread->attributes)
		return rf_report(reader->report, ENOMEM, "no memory for a thread's state");
	thread->attributes->image = *state;
	thread->attributes->image.comm[sizeof(state->comm) - 1] = '\0';
	memcpy(thread->attributes->cpus, sets, state->cpu_bytes);
	memcpy(thread->attributes->nodes, sets + state->cpu_bytes, state->node_bytes);
	return 0;
}

int rf_record_take_thread_state(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_thread_state state;
	const char *fault;

	if (bytes < sizeof(state))
		return rf_record_corrupt(reader, "THREAD_STATE is too short");
	memcpy(&state, reader->payload, sizeof(state));
	if (!are_sets_right(&state, bytes))
		return rf_record_corrupt(reader, "THREAD_STATE has another length");
	if (state.thread >= image->threads_read)
		return rf_record_corrupt(reader, "THREAD_STATE is of a thread that there is not");
	if (image->threads[state.thread].attributes)
		return rf_record_corrupt(reader, "a thread has two THREAD_STATE records");
	fault = find_thread_fault(&state);
	return fault ? rf_record_corrupt(reader, fault)
		     : keep_thread(reader, &image->threads[state.thread], &state);
}
