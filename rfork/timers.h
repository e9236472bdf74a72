/* SPDX-License-Identifier: MIT */
/*
 * The timers of a process that moves: stopped and listed before the capture, since they must not
 * go off at home any more, and started again if the process has to stay.  Those of a process of
 * which a checkpoint is taken go on.
 */
#ifndef RF_TIMERS_H
#define RF_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/image_format.h"
#include "rfork/image_writer.h"
#include "rfork/report.h"

struct rf_timers {
	struct rf_image_timer *entries;
	size_t count;
	int64_t stopped_ns; /* CLOCK_MONOTONIC */
};

/* Lists the timers of the calling process, in memory of the arena; changes nothing.  `thread` is
 * as of rf_timers_parse().  0, or a negative errno with a report: -ENOTSUP for one that cannot be
 * made again elsewhere. */
int rf_timers_list(struct rf_timers *timers, struct rf_arena *arena, struct rf_report *report);

/*
 * Adds the timers of timer_create(2) that `text` lists, ascending by id: /proc/PID/timers of the
 * process `pid` with a main thread of that id, or of its thread `tid`.  Modifies the text.
 * `thread` of a timer is the id of the thread that it signals, or 0.  entries has room for
 * RF_IMAGE_MAX_TIMERS.
 */
int rf_timers_parse(struct rf_timers *timers, char *text, pid_t pid, pid_t tid,
		    struct rf_report *report);

/* Notes how far each is from going off, and lets them go on.  Whether one has gone off since the
 * last look, of those of which every time counts: of one that goes off all the time, nobody can
 * tell. */
bool rf_timers_look(struct rf_timers *timers);

/* Drops those whose signals are for other threads than the calling one, which alone goes along,
 * and forgets the ids of threads; calls back for each, with its id, unless NULL. */
void rf_timers_keep_own(struct rf_timers *timers, void (*drop)(void *context, uint32_t id),
			void *context);

/* Stops them all, and notes how far each was from going off.  One that has just gone off, without a
 * signal that is still pending, is noted as about to. */
void rf_timers_stop(struct rf_timers *timers);

/* Starts them again, as if they had never been stopped. */
void rf_timers_start(const struct rf_timers *timers);

/* Writes TIMERS, if there are any.  No malloc, no errno. */
int rf_timers_write(const struct rf_timers *timers, struct rf_image_writer *writer);

#endif
