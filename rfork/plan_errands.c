/* SPDX-License-Identifier: MIT */
/*
 * Plans what threads do for themselves beyond their registers.  Their ids are not known before
 * they exist: a step asks for it, and stores it where the next one has it.
 */
#define _GNU_SOURCE
#include "rfork/plan_errands.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "rfork/timer_value.h"

struct timer_errand {
	struct sigevent event;
	struct itimerspec value;
	int32_t id;
};

_Static_assert(sizeof(struct timer_errand) <= sizeof(struct rf_plan_errand), "its memory");
_Static_assert(RF_IMAGE_SIGINFO_BYTES <= sizeof(struct rf_plan_errand), "its memory");

static bool is_of(const struct rf_image_pending *pending, uint32_t thread)
{
	return pending->flags & RF_PENDING_THREAD && pending->thread == thread;
}

static bool signals(const struct rf_image_timer *timer, uint32_t thread)
{
	return timer->kind == RF_TIMER_POSIX && timer->notify == RF_TIMER_THREAD &&
	       timer->thread == thread;
}

size_t rf_plan_count_errands(const struct rf_image *image, uint32_t thread)
{
	size_t count = 0;

	for (uint32_t i = 0; i < image->pending_count; i++)
		count += is_of(&image->pending[i], thread);
	for (uint32_t i = 0; i < image->timer_count; i++)
		count += signals(&image->timers[i], thread);
	return count;
}

bool rf_plan_has_timers(const struct rf_image *image)
{
	for (uint32_t i = 0; i < image->timer_count; i++)
		if (image->timers[i].thread)
			return true;
	return false;
}

struct rf_step rf_plan_leave_timer_ids(void)
{
	return (struct rf_step){ .check = RF_STEP_SUCCEEDS,
				 .number = SYS_prctl,
				 .arguments = { RF_TIMER_CREATE_RESTORE_IDS, 0 } };
}

static struct rf_step ask_for_id(const void *where)
{
	return (struct rf_step){ .check = RF_STEP_STORES,
				 .number = SYS_gettid,
				 .expected = (uintptr_t)where };
}

static size_t queue(struct rf_step *steps, struct rf_plan_errand *errand,
		    const struct rf_image_pending *pending, uint32_t pid)
{
	memcpy(errand, pending->siginfo, RF_IMAGE_SIGINFO_BYTES);
	steps[0] = ask_for_id(&steps[1].arguments[1]);
	steps[1] = (struct rf_step){
		.check = RF_STEP_SUCCEEDS,
		.number = SYS_rt_tgsigqueueinfo,
		.arguments = { pid, 0, (uint64_t)pending->signal, (uintptr_t)errand },
	};
	return 2;
}

static size_t start_timer(struct rf_step *steps, struct rf_plan_errand *errand,
			  const struct rf_image_timer *timer, uint64_t elapsed_ns)
{
	struct timer_errand *mine = (struct timer_errand *)errand;

	*mine = (struct timer_errand){
		.event = { .sigev_value.sival_ptr = (void *)(uintptr_t)timer->value,
			   .sigev_signo = (int)timer->signal,
			   .sigev_notify = (int)timer->notify },
		.value = { .it_value = rf_timer_timespec(rf_timer_left_ns(timer, elapsed_ns)),
			   .it_interval = rf_timer_timespec(timer->interval_ns) },
		.id = (int32_t)timer->id,
	};
	steps[0] = ask_for_id(&mine->event._sigev_un._tid);
	steps[1] = (struct rf_step){ .check = RF_STEP_EQUALS,
				     .number = SYS_timer_create,
				     .arguments = { (uint64_t)timer->clock, (uintptr_t)&mine->event,
						    (uintptr_t)&mine->id } };
	steps[2] = (struct rf_step){ .check = RF_STEP_SUCCEEDS,
				     .number = SYS_timer_settime,
				     .arguments = { timer->id, 0, (uintptr_t)&mine->value } };
	return 3;
}

size_t rf_plan_build_errands(struct rf_step *steps, struct rf_plan_errand *errands,
			     const struct rf_image *image, uint32_t thread, uint64_t elapsed_ns,
			     uint32_t pid)
{
	size_t count = 0;

	for (uint32_t i = 0; i < image->pending_count; i++)
		if (is_of(&image->pending[i], thread))
			count += queue(steps + count, errands++, &image->pending[i], pid);
	for (uint32_t i = 0; i < image->timer_count; i++)
		if (signals(&image->timers[i], thread))
			count += start_timer(steps + count, errands++, &image->timers[i],
					     elapsed_ns);
	return count;
}
