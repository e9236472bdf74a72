/* SPDX-License-Identifier: MIT */
/*
 * Lists, stops and starts timers.  Called by move.c with all signals blocked; allocates nothing
 * but from the arena, for the image is about to be captured.
 */
#define _GNU_SOURCE
#include "rfork/timers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/sys.h"
#include "rfork/timer_value.h"

#define LIST_BYTES ((size_t)512 << 10)
/* Where the kernel does not list timers it is asked for one after the other. */
#define IDS_PROBED 4096

/* A timer that goes off less often is looked at again when it has just done so. */
#define SLOW_NS UINT64_C(10000000)

/* CPU clocks: the complement of a pid, then three bits.  Source: Linux, posix-timers_types.h. */
#define CPU_CLOCK_BITS 3
#define CPU_CLOCK_WHICH 3
#define CPU_CLOCK_NONE 3

/* -- the list --------------------------------------------------------------------------------- */

/* A clock as it means the same in another process; false for that of a stranger. */
static bool make_own_clock(int32_t *clock, pid_t pid, pid_t tid)
{
	int32_t owner = ~(*clock >> CPU_CLOCK_BITS);
	int32_t kind = *clock & ((1 << CPU_CLOCK_BITS) - 1);

	if (*clock >= 0)
		return true;
	if ((kind & CPU_CLOCK_WHICH) == CPU_CLOCK_NONE || (owner && owner != pid && owner != tid))
		return false;
	*clock = (int32_t)(~UINT32_C(0) << CPU_CLOCK_BITS) | kind;
	return true;
}

/* The number behind `label`, which begins a line; false if it is not there. */
static bool find_number(const char *text, const char *label, int base, uint64_t *number)
{
	const char *found = strstr(text, label);

	if (!found)
		return false;
	found += strlen(label);
	*number = *found == '-' ? (uint64_t)strtoll(found, NULL, base)
				: strtoull(found, NULL, base);
	return true;
}

/* Reads what stands between one "ID:" and the next, see proc_pid_timers(5). */
static int parse_timer(struct rf_image_timer *timer, const char *text, pid_t pid, pid_t tid,
		       struct rf_report *report)
{
	const char *notify = strstr(text, "notify: ");
	uint64_t id, signal, value, clock, target;

	if (!notify || !find_number(text, "ID: ", 10, &id) ||
	    !find_number(text, "signal: ", 10, &signal) || !find_number(text, "/", 16, &value) ||
	    !find_number(text, "ClockID: ", 10, &clock))
		return rf_report(report, EPROTO, "/proc/%d/timers: %m", (int)pid);
	*timer = (struct rf_image_timer){ .kind = RF_TIMER_POSIX,
					  .id = (uint32_t)id,
					  .clock = (int32_t)clock,
					  .signal = (uint32_t)signal,
					  .value = value };
	if (!make_own_clock(&timer->clock, pid, tid))
		return rf_report(report, ENOTSUP,
				 "timer %u: the clock of another process cannot travel", timer->id);
	if (strncmp(notify, "notify: none", 12) == 0) {
		timer->notify = RF_TIMER_NONE;
		timer->signal = 0;
	} else if (find_number(notify, "tid.", 10, &target)) {
		timer->notify = RF_TIMER_THREAD;
		timer->thread = (uint32_t)target;
	}
	return 0;
}

/* Puts the last entry in its place: the kernel lists the newest first. */
static void sort_in(struct rf_timers *timers)
{
	size_t place = timers->count - 1;
	struct rf_image_timer timer = timers->entries[place];

	for (; place && timers->entries[place - 1].kind == RF_TIMER_POSIX &&
	       timers->entries[place - 1].id > timer.id;
	     place--)
		timers->entries[place] = timers->entries[place - 1];
	timers->entries[place] = timer;
}

int rf_timers_parse(struct rf_timers *timers, char *text, pid_t pid, pid_t tid,
		    struct rf_report *report)
{
	int error;

	for (char *next, *at = strstr(text, "ID: "); at; at = next) {
		next = strstr(at, "\nID: ");
		if (next)
			*next++ = '\0';
		if (timers->count == RF_IMAGE_MAX_TIMERS)
			return rf_report(report, ENOTSUP, "more than %u timers",
					 RF_IMAGE_MAX_TIMERS);
		error = parse_timer(&timers->entries[timers->count], at, pid, tid, report);
		if (error < 0)
			return error;
		timers->count++;
		sort_in(timers);
	}
	return 0;
}

/* A kernel without /proc/self/timers (CONFIG_CHECKPOINT_RESTORE) does not tell what a timer is
 * for. */
static int refuse_unlisted(struct rf_report *report)
{
	struct itimerspec unused;

	for (int id = 0; id < IDS_PROBED; id++)
		if (rf_syscall(SYS_timer_gettime, id, &unused) == 0)
			return rf_report(report, ENOTSUP,
					 "timer %d: this kernel does not say what it is for", id);
	return 0;
}

static int list_posix(struct rf_timers *timers, struct rf_arena *arena, struct rf_report *report)
{
	char *text = rf_arena_take(arena, LIST_BYTES);
	long length = text ? rf_io_read_file("/proc/self/timers", text, LIST_BYTES) : -ENOMEM;

	if (length == -ENOENT)
		return refuse_unlisted(report);
	if (length < 0)
		return rf_report(report, (int)-length, "/proc/self/timers: %m");
	return rf_timers_parse(timers, text, (pid_t)rf_syscall(SYS_getpid),
			       (pid_t)rf_syscall(SYS_gettid), report);
}

int rf_timers_list(struct rf_timers *timers, struct rf_arena *arena, struct rf_report *report)
{
	struct itimerval now;

	*timers = (struct rf_timers){
		.entries = rf_arena_take(arena, RF_IMAGE_MAX_TIMERS * sizeof(*timers->entries)),
	};
	if (!timers->entries)
		return rf_report(report, ENOMEM, "no room for the list of timers");
	for (uint32_t kind = RF_TIMER_REAL; kind <= RF_TIMER_PROF; kind++)
		if (rf_syscall(SYS_getitimer, kind, &now) == 0 &&
		    rf_timer_timeval_ns(&now.it_value) + rf_timer_timeval_ns(&now.it_interval) > 0)
			timers->entries[timers->count++] = (struct rf_image_timer){ .kind = kind };
	return list_posix(timers, arena, report);
}

void rf_timers_keep_own(struct rf_timers *timers, void (*drop)(void *context, uint32_t id),
			void *context)
{
	uint32_t own = (uint32_t)rf_syscall(SYS_gettid);
	size_t kept = 0;

	for (size_t i = 0; i < timers->count; i++) {
		struct rf_image_timer *timer = &timers->entries[i];

		if (timer->thread && timer->thread != own) {
			if (drop)
				drop(context, timer->id);
			continue;
		}
		timer->thread = 0; /* the only one that goes along */
		timers->entries[kept++] = *timer;
	}
	timers->count = kept;
}

/* -- a look ----------------------------------------------------------------------------------- */

static void look_at(struct rf_image_timer *timer)
{
	struct itimerval interval = { 0 };
	struct itimerspec posix = { 0 };

	if (timer->kind == RF_TIMER_POSIX) {
		rf_syscall(SYS_timer_gettime, timer->id, &posix);
		timer->remaining_ns = rf_timer_timespec_ns(&posix.it_value);
		timer->interval_ns = rf_timer_timespec_ns(&posix.it_interval);
	} else {
		rf_syscall(SYS_getitimer, timer->kind, &interval);
		timer->remaining_ns = rf_timer_timeval_ns(&interval.it_value);
		timer->interval_ns = rf_timer_timeval_ns(&interval.it_interval);
	}
}

bool rf_timers_look(struct rf_timers *timers)
{
	bool has_gone_off = false;

	for (size_t i = 0; i < timers->count; i++) {
		struct rf_image_timer *timer = &timers->entries[i];
		uint64_t before_ns = timer->remaining_ns;

		look_at(timer);
		if (before_ns && (!timer->remaining_ns || timer->remaining_ns > before_ns) &&
		    (!timer->interval_ns || timer->interval_ns >= SLOW_NS))
			has_gone_off = true;
	}
	return has_gone_off;
}

/* -- stop and start --------------------------------------------------------------------------- */

/* What it has sent stays pending.  One that went off since it was listed has done so. */
static void stop_itimer(struct rf_image_timer *timer)
{
	const struct itimerval never = { 0 };
	struct itimerval left = { 0 };

	rf_syscall(SYS_setitimer, timer->kind, &never, &left);
	timer->remaining_ns = rf_timer_timeval_ns(&left.it_value);
	timer->interval_ns = rf_timer_timeval_ns(&left.it_interval);
	/* this one goes on when its signal is delivered, and shows no time until then */
	if (timer->kind == RF_TIMER_REAL && !timer->remaining_ns)
		timer->remaining_ns = timer->interval_ns;
}

/* To stop a timer takes its signal out of the queue, on Linux 6.13 and later: between the two
 * looks it must not have gone off unseen. */
static void stop_posix(struct rf_image_timer *timer)
{
	const struct itimerspec never = { 0 };
	struct itimerspec before = { 0 }, left = { 0 };
	bool has_gone_off;

	rf_syscall(SYS_timer_gettime, timer->id, &before);
	timer->interval_ns = rf_timer_timespec_ns(&before.it_interval);
	timer->remaining_ns = rf_timer_timespec_ns(&before.it_value);
	if (!timer->remaining_ns)
		return; /* not armed: what it has sent stays pending */
	rf_syscall(SYS_timer_settime, timer->id, 0, &never, &left);
	has_gone_off = rf_timer_timespec_ns(&left.it_value) == 0 ||
		       rf_timer_timespec_ns(&left.it_value) > timer->remaining_ns;
	timer->remaining_ns = has_gone_off ? 1 : rf_timer_timespec_ns(&left.it_value);
}

void rf_timers_stop(struct rf_timers *timers)
{
	timers->stopped_ns = rf_io_now_ns();
	for (size_t i = 0; i < timers->count; i++) {
		if (timers->entries[i].kind == RF_TIMER_POSIX)
			stop_posix(&timers->entries[i]);
		else
			stop_itimer(&timers->entries[i]);
	}
}

static void start(const struct rf_image_timer *timer, uint64_t remaining_ns)
{
	const struct itimerval itimer = { .it_value = rf_timer_timeval(remaining_ns),
					  .it_interval = rf_timer_timeval(timer->interval_ns) };
	const struct itimerspec posix = { .it_value = rf_timer_timespec(remaining_ns),
					  .it_interval = rf_timer_timespec(timer->interval_ns) };

	if (timer->kind == RF_TIMER_POSIX)
		rf_syscall(SYS_timer_settime, timer->id, 0, &posix, NULL);
	else
		rf_syscall(SYS_setitimer, timer->kind, &itimer, NULL);
}

void rf_timers_start(const struct rf_timers *timers)
{
	uint64_t passed_ns = (uint64_t)(rf_io_now_ns() - timers->stopped_ns);

	for (size_t i = 0; i < timers->count; i++) {
		uint64_t left_ns = rf_timer_left_ns(&timers->entries[i], passed_ns);

		if (left_ns)
			start(&timers->entries[i], left_ns);
	}
}

int rf_timers_write(const struct rf_timers *timers, struct rf_image_writer *writer)
{
	struct iovec piece = { timers->entries, timers->count * sizeof(*timers->entries) };

	return timers->count ? rf_image_write(writer, RF_RECORD_TIMERS, &piece, 1) : 0;
}
