/* SPDX-License-Identifier: MIT */
/*
 * State of the process and its threads that tests leave out of an image, but for what is a field of
 * its own (drop.c).
 */
#include <string.h>

#include "rfork/drop_parts.h"

size_t rf_drop_all(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	(void)payload;
	(void)bytes;
	return 0;
}

size_t rf_drop_directory(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_process *process = payload;

	(void)drop;
	bytes = bytes - process->cwd_bytes + 1;
	process->cwd_bytes = 1;
	((char *)payload)[bytes - 1] = '/';
	return bytes;
}

size_t rf_drop_auxv(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_process *process = payload;
	char *auxv = (char *)(process + 1);

	(void)drop;
	memmove(auxv, auxv + process->auxv_bytes, process->cwd_bytes);
	bytes -= process->auxv_bytes;
	process->auxv_bytes = 0;
	return bytes;
}

size_t rf_drop_break(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_process *process = payload;

	(void)drop;
	process->brk = process->start_brk;
	return bytes;
}

size_t rf_drop_arguments(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_process *process = payload;

	(void)drop;
	process->arg_end = process->arg_start;
	return bytes;
}

size_t rf_drop_environment(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_process *process = payload;

	(void)drop;
	process->env_end = process->env_start;
	return bytes;
}

/* prctl(PR_SET_MM_MAP) takes none that is empty. */
size_t rf_drop_code_ranges(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_process *process = payload;

	(void)drop;
	process->end_code = process->start_code + 1;
	process->end_data = process->start_data + 1;
	return bytes;
}

/* Keeps the timers of timer_create(2), or all others. */
static size_t keep_timers(struct rf_image_timer *timers, size_t bytes, bool is_posix)
{
	size_t kept = 0;

	for (size_t i = 0; i < bytes / sizeof(*timers); i++)
		if ((timers[i].kind == RF_TIMER_POSIX) == is_posix)
			timers[kept++] = timers[i];
	return kept * sizeof(*timers);
}

size_t rf_drop_interval_timers(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return keep_timers(payload, bytes, true);
}

size_t rf_drop_posix_timers(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	return keep_timers(payload, bytes, false);
}

/* Of a thread that was interrupted: at a call nothing in them is live. */
size_t rf_drop_vectors(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_thread *thread = payload;

	(void)drop;
	bytes -= thread->xsave_bytes;
	thread->xsave_bytes = 0;
	return bytes;
}
