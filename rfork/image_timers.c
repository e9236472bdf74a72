/* SPDX-License-Identifier: MIT */
/*
 * Reads what a process had under way: its timers and pending signals.  A part of the reader of
 * images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

static bool is_signal(uint32_t number)
{
	return number >= 1 && number <= RF_IMAGE_SIGNALS;
}

/* Why a timer is none; NULL if it is one. */
static const char *find_timer_fault(const struct rf_image_timer *timer,
				    const struct rf_image_timer *last, uint32_t threads)
{
	bool is_posix = timer->kind == RF_TIMER_POSIX;
	bool is_directed = is_posix && timer->notify == RF_TIMER_THREAD;

	if (timer->kind > RF_TIMER_POSIX)
		return "a timer has an unknown property";
	if (timer->remaining_ns > INT64_MAX || timer->interval_ns > INT64_MAX ||
	    timer->id > INT32_MAX)
		return "a timer is out of range";
	if (!is_posix &&
	    (timer->id || timer->clock || timer->notify || timer->signal || timer->value))
		return "an interval timer has a property of others";
	if (timer->thread >= (is_directed ? threads : 1))
		return "a timer is for a thread that there is not";
	if (is_posix && timer->notify != RF_TIMER_SIGNAL && timer->notify != RF_TIMER_NONE &&
	    timer->notify != RF_TIMER_THREAD)
		return "a timer has an unknown property";
	if (is_posix && !is_signal(timer->signal) &&
	    (timer->signal || timer->notify != RF_TIMER_NONE))
		return "a timer has no signal";
	/* a CPU clock is the complement of a pid, 0 for its own, and three bits of which two are 3
	 * for what is none */
	if (timer->clock < 0 && (timer->clock >> 3 != -1 || (timer->clock & 3) == 3))
		return "a timer has the clock of another process";
	if (last && (timer->kind < last->kind ||
		     (timer->kind == last->kind && (!is_posix || timer->id <= last->id))))
		return "timers are out of order";
	return NULL;
}

int rf_record_take_timers(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(*image->timers);

	if (bytes == 0 || bytes % sizeof(*image->timers) || count > RF_IMAGE_MAX_TIMERS)
		return rf_record_corrupt(reader, "TIMERS has another length");
	image->timers = malloc(bytes);
	if (!image->timers)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	memcpy(image->timers, reader->payload, bytes);
	image->timer_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		const struct rf_image_timer *timer = &image->timers[i];
		const char *fault =
			find_timer_fault(timer, i ? timer - 1 : NULL, image->head.threads);

		if (fault)
			return rf_record_corrupt(reader, fault);
	}
	return 0;
}

static bool is_pending(const struct rf_image_pending *pending, uint32_t threads)
{
	return !(pending->flags & ~RF_PENDING_THREAD) &&
	       pending->thread < (pending->flags & RF_PENDING_THREAD ? threads : 1) &&
	       is_signal((uint32_t)pending->signal) && pending->signal != SIGKILL &&
	       pending->signal != SIGSTOP;
}

int rf_record_take_pending(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(*image->pending);
	struct rf_image_pending *grown;

	if (bytes == 0 || bytes % sizeof(*image->pending))
		return rf_record_corrupt(reader, "PENDING has another length");
	if (count > RF_IMAGE_MAX_PENDING - image->pending_count)
		return rf_record_corrupt(reader, "too many signals are pending");
	grown = realloc(image->pending, (image->pending_count + count) * sizeof(*grown));
	if (!grown)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	image->pending = grown;
	memcpy(grown + image->pending_count, reader->payload, bytes);
	for (size_t i = 0; i < count; i++)
		if (!is_pending(&grown[image->pending_count + i], image->head.threads))
			return rf_record_corrupt(reader, "what is pending is no signal");
	image->pending_count += (uint32_t)count;
	return 0;
}
