/* SPDX-License-Identifier: MIT */
/*
 * Makes the image's objects.  Called by whoever becomes an image, in the order of descriptors.
 */
#define _GNU_SOURCE
#include "rfork/restore_objects.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "rfork/io.h"
#include "rfork/restore_inotify.h"
#include "rfork/sys.h"
#include "rfork/timer_value.h"

/* linux/timerfd.h, which does not go along with <sys/timerfd.h>. */
#define SET_EXPIRATIONS 0x40085400u /* TFD_IOC_SET_TICKS */
/* Linux 6.9, include/uapi/linux/pidfd.h. */
#define RF_PIDFD_THREAD O_EXCL

static int make_event(const struct rf_object_state *object)
{
	const struct rf_object_event *event = &object->event;
	int flags = EFD_NONBLOCK | (event->flags & RF_EVENT_SEMAPHORE ? EFD_SEMAPHORE : 0);
	int fd = (int)rf_syscall(SYS_eventfd2, 0, flags);
	ssize_t put = sizeof(event->count);

	/* the call itself takes 32 bits only */
	if (fd >= 0 && event->count)
		put = rf_sys_write(fd, &event->count, sizeof(event->count));
	if (put == sizeof(event->count))
		return fd;
	rf_sys_close(fd);
	return put < 0 ? (int)put : -EIO;
}

static bool is_untold(const struct rf_image *image, const struct rf_image_descriptor *descriptor)
{
	const struct rf_object_state *object = &image->objects[descriptor->file].object;

	return object->image.kind == RF_OBJECT_EVENT && object->event.flags & RF_EVENT_UNTOLD;
}

/* The numbers of many would be one line too long: the first stands for them. */
void rf_restore_warn_of_objects(const struct rf_image *image, struct rf_warnings *warnings)
{
	uint32_t count = 0, first = 0;

	for (uint32_t i = 0; i < image->head.descriptors; i++) {
		const struct rf_image_descriptor *descriptor = &image->descriptors[i];

		if (descriptor->kind == RF_DESCRIPTOR_OBJECT &&
		    descriptor->same_as == RF_IMAGE_NONE && is_untold(image, descriptor) &&
		    !count++)
			first = descriptor->number;
	}
	if (count == 1)
		rf_warn(warnings, 0,
			"descriptor %u: it is an eventfd that counts at once: whether it was a "
			"semaphore its kernel did not tell (Linux 6.5 does)",
			first);
	if (count > 1)
		rf_warn(warnings, 0,
			"descriptors %u and %u more: they are eventfds that count at once: whether "
			"they were semaphores their kernel did not tell (Linux 6.5 does)",
			first, count - 1);
}

/* -- timers ------------------------------------------------------------------------------------ */

/* What a timer's clock shows, in nanoseconds. */
static int64_t read_clock(int32_t clock)
{
	struct timespec now = { 0 };

	if (clock == CLOCK_REALTIME_ALARM)
		clock = CLOCK_REALTIME;
	else if (clock == CLOCK_BOOTTIME_ALARM)
		clock = CLOCK_BOOTTIME;
	rf_syscall(SYS_clock_gettime, clock, &now);
	return (int64_t)rf_timer_timespec_ns(&now);
}

/* An absolute timer is set for a point in time, any other for a time from now on. */
static int set_timer(int fd, const struct rf_object_timer *timer)
{
	bool is_absolute = timer->flags & RF_TIMER_ABSOLUTE;
	uint64_t value_ns = timer->remaining_ns;
	struct itimerspec value = { .it_interval = rf_timer_timespec(timer->interval_ns) };

	if (timer->due_ns)
		value_ns = (uint64_t)timer->due_ns;
	else if (value_ns && is_absolute)
		value_ns += (uint64_t)read_clock(timer->clock);
	value.it_value = rf_timer_timespec(value_ns);
	return (int)rf_syscall(SYS_timerfd_settime, fd, timer->flags, &value, NULL);
}

/* A kernel that cannot be told what has expired (CONFIG_CHECKPOINT_RESTORE) finds out by itself:
 * the timer is set for when the first of it did. */
static int set_back(int fd, const struct rf_object_timer *timer)
{
	uint64_t now_ns = (uint64_t)read_clock(timer->clock), since_ns;
	struct itimerspec value = { .it_interval = rf_timer_timespec(timer->interval_ns) };

	if (__builtin_mul_overflow(timer->interval_ns, timer->expirations, &since_ns) ||
	    since_ns >= now_ns + timer->remaining_ns || !timer->remaining_ns)
		since_ns = now_ns + timer->remaining_ns - 1;
	value.it_value = rf_timer_timespec(now_ns + timer->remaining_ns - since_ns);
	return (int)rf_syscall(SYS_timerfd_settime, fd, TFD_TIMER_ABSTIME, &value, NULL);
}

static int start_timer(int fd, const struct rf_object_timer *timer)
{
	uint64_t expirations = timer->expirations;
	int error = set_timer(fd, timer);

	if (error == 0 && expirations)
		error = rf_sys_ioctl(fd, SET_EXPIRATIONS, &expirations);
	return error == -ENOTTY ? set_back(fd, timer) : error;
}

static int make_timer(const struct rf_object_state *object, int64_t since_ns)
{
	struct rf_object_timer timer = object->timer;
	int fd = (int)rf_syscall(SYS_timerfd_create, timer.clock, 0);
	int error;

	if (fd < 0)
		return fd;
	if (!timer.due_ns)
		rf_timer_pass(&timer, (uint64_t)(rf_io_now_ns() - since_ns));
	error = start_timer(fd, &timer);
	if (error == 0)
		return fd;
	rf_sys_close(fd);
	return error;
}

/* -- others ------------------------------------------------------------------------------------ */

static int make_signals(const struct rf_object_state *object)
{
	return (int)rf_syscall(SYS_signalfd4, -1, &object->signals.mask,
			       sizeof(object->signals.mask), 0);
}

/* The process is the one that becomes the image. */
static int make_process(const struct rf_object_state *object)
{
	int flags = object->process.flags & RF_PROCESS_THREAD ? RF_PIDFD_THREAD : 0;

	return (int)rf_syscall(SYS_pidfd_open, rf_syscall(SYS_getpid), flags);
}

static int make(const struct rf_object_state *object, int64_t since_ns)
{
	switch (object->image.kind) {
	case RF_OBJECT_EVENT:
		return make_event(object);
	case RF_OBJECT_TIMER:
		return make_timer(object, since_ns);
	case RF_OBJECT_SIGNALS:
		return make_signals(object);
	case RF_OBJECT_POLL:
		return (int)rf_syscall(SYS_epoll_create1, 0);
	case RF_OBJECT_INOTIFY:
		return rf_restore_inotify(object);
	case RF_OBJECT_PROCESS:
		return make_process(object);
	}
	return -ENOTSUP;
}

int rf_restore_object(const struct rf_image *image, const struct rf_image_descriptor *descriptor,
		      int64_t since_ns)
{
	int fd = make(&image->objects[descriptor->file].object, since_ns);
	int error = fd < 0 ? 0
			   : (int)rf_syscall(SYS_fcntl, fd, F_SETFL,
					     descriptor->status_flags & O_NONBLOCK);

	if (error >= 0)
		return fd;
	rf_sys_close(fd);
	return error;
}

const char *rf_restore_name_object(const struct rf_image *image,
				   const struct rf_image_descriptor *descriptor)
{
	static const char *const names[] = {
		[RF_OBJECT_EVENT] = "eventfd",	  [RF_OBJECT_TIMER] = "timerfd",
		[RF_OBJECT_SIGNALS] = "signalfd", [RF_OBJECT_POLL] = "epoll",
		[RF_OBJECT_INOTIFY] = "inotify",  [RF_OBJECT_PROCESS] = "pidfd"
	};
	const struct rf_object_state *object;

	if (descriptor->same_as == RF_IMAGE_NONE) {
		object = &image->objects[descriptor->file].object;
		if (object->image.kind == RF_OBJECT_CONTENT)
			return object->content.file == RF_IMAGE_NONE
				       ? object->name
				       : image->files[object->content.file].path;
	}
	return descriptor->same_as == RF_IMAGE_NONE
		       ? names[image->objects[descriptor->file].object.image.kind]
		       : "a duplicate";
}
