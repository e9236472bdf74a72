/* SPDX-License-Identifier: MIT */
/*
 * Gives the calling process what the image's process had under way: pending signals and timers.
 * They are delivered when the process has its own mask again.
 */
#define _GNU_SOURCE
#include "rfork/restore_timers.h"

#include <errno.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/plan_errands.h"
#include "rfork/sys.h"
#include "rfork/timer_value.h"

/* On an older kernel each new timer gets the next number; so many are made and deleted at most. */
#define TIMERS_TRIED 262144u

/* -- signals ---------------------------------------------------------------------------------- */

static int queue(const struct rf_image_pending *pending)
{
	long pid = rf_syscall(SYS_getpid), tid = rf_syscall(SYS_gettid);

	/* A process may say to itself what it likes of a signal's origin. */
	return (int)(pending->flags & RF_PENDING_THREAD
			     ? rf_syscall(SYS_rt_tgsigqueueinfo, pid, tid, pending->signal,
					  pending->siginfo)
			     : rf_syscall(SYS_rt_sigqueueinfo, pid, pending->signal,
					  pending->siginfo));
}

static int queue_all(const struct rf_image *image, struct rf_report *report)
{
	for (uint32_t i = 0; i < image->pending_count; i++) {
		int error;

		if (image->pending[i].thread)
			continue; /* of a thread that does not exist yet: plan_errands.c */
		error = queue(&image->pending[i]);
		if (error < 0)
			return rf_report(report, ENOTSUP,
					 "signal %d, pending, cannot be queued here: %s",
					 image->pending[i].signal, strerrordesc_np(-error));
	}
	return 0;
}

/* -- timers ------------------------------------------------------------------------------------ */

/* What is left of it now; 0 = not armed. */
static uint64_t find_left(const struct rf_image_timer *timer, int64_t since_ns)
{
	return rf_timer_left_ns(timer, (uint64_t)(rf_io_now_ns() - since_ns));
}

static int start_itimer(const struct rf_image_timer *timer, int64_t since_ns)
{
	const struct itimerval value = { .it_value = rf_timer_timeval(find_left(timer, since_ns)),
					 .it_interval = rf_timer_timeval(timer->interval_ns) };

	return (int)rf_syscall(SYS_setitimer, timer->kind, &value, NULL);
}

static int start_posix(const struct rf_image_timer *timer, int64_t since_ns)
{
	const struct itimerspec value = { .it_value = rf_timer_timespec(find_left(timer, since_ns)),
					  .it_interval = rf_timer_timespec(timer->interval_ns) };

	return (int)rf_syscall(SYS_timer_settime, timer->id, 0, &value, NULL);
}

/* Makes a timer under the id that the image's memory knows.  0 or a negative errno. */
static int create(const struct rf_image_timer *timer, bool is_exact, unsigned *tries)
{
	struct sigevent event = { .sigev_value.sival_ptr = (void *)(uintptr_t)timer->value,
				  .sigev_signo = (int)timer->signal,
				  .sigev_notify = (int)timer->notify };
	int32_t id;

	if (timer->notify == RF_TIMER_THREAD)
		event._sigev_un._tid = (pid_t)rf_syscall(SYS_gettid);
	for (;;) {
		int error;

		id = (int32_t)timer->id; /* read in exact mode only */
		error = (int)rf_syscall(SYS_timer_create, timer->clock, &event, &id);
		if (error < 0)
			return error;
		if (id == (int32_t)timer->id)
			return 0;
		rf_syscall(SYS_timer_delete, id);
		if (is_exact || id > (int32_t)timer->id || ++*tries == TIMERS_TRIED)
			return -EBUSY;
	}
}

static int restore_timer(const struct rf_image_timer *timer, int64_t since_ns, bool is_exact,
			 unsigned *tries)
{
	int error;

	if (timer->kind != RF_TIMER_POSIX)
		return start_itimer(timer, since_ns);
	error = create(timer, is_exact, tries);
	return error < 0 ? error : start_posix(timer, since_ns);
}

static int restore_timers(const struct rf_image *image, int64_t since_ns, struct rf_report *report)
{
	bool is_exact = rf_sys_prctl(RF_TIMER_CREATE_RESTORE_IDS, 1, 0, 0, 0) == 0;
	unsigned tries = 0;
	int error = 0;

	if (!is_exact && rf_plan_has_timers(image))
		return rf_report(report, ENOTSUP,
				 "timers of threads other than the main one need Linux 6.15");
	for (uint32_t i = 0; i < image->timer_count && error == 0; i++) {
		const struct rf_image_timer *timer = &image->timers[i];

		if (timer->thread)
			continue; /* as above */
		error = restore_timer(timer, since_ns, is_exact, &tries);
		if (error < 0)
			rf_report(report, ENOTSUP, "timer %u of kind %u cannot be made here: %s",
				  timer->id, timer->kind, strerrordesc_np(-error));
	}
	if (is_exact && !rf_plan_has_timers(image))
		rf_sys_prctl(RF_TIMER_CREATE_RESTORE_IDS, 0, 0, 0, 0);
	return error < 0 ? -report->error : 0;
}

int rf_restore_under_way(const struct rf_image *image, int64_t since_ns, struct rf_report *report)
{
	int error = queue_all(image, report);

	if (error < 0 || !image->timer_count)
		return error;
	return restore_timers(image, since_ns, report);
}
