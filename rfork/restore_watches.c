/* SPDX-License-Identifier: MIT */
/*
 * Lets the image's epolls watch what they watched.  Called by whoever becomes an image, behind the
 * last descriptor.
 */
#define _GNU_SOURCE
#include "rfork/restore_watches.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>

#include "rfork/sys.h"

/* What of the events says how they are told, not which. */
#define MODES (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

unsigned rf_restore_first_spare(const struct rf_image *image)
{
	uint32_t count = image->head.descriptors;
	unsigned first = count ? image->descriptors[count - 1].number + 1 : 0;

	for (uint32_t i = 0; i < image->head.objects; i++) {
		const struct rf_object_state *object = &image->objects[i].object;

		for (uint32_t j = 0; j < object->watch_count; j++)
			if (object->watches[j].number >= first)
				first = object->watches[j].number + 1;
	}
	return first;
}

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	return (int)rf_syscall(SYS_epoll_ctl, epoll, operation, fd, &event);
}

/* One that has gone off and has not been set again. */
static bool is_spent(const struct rf_image_watch *watch)
{
	return watch->events & EPOLLONESHOT && !(watch->events & ~MODES);
}

/*
 * Only going off makes one spent, so it is asked for all there is: most descriptors can be written
 * to, if nothing else.  Else it stays set, for an error or a hang-up alone, which cannot be left
 * out.
 */
static int add_spent(int epoll, int fd, const struct rf_image_watch *watch)
{
	const uint32_t all = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLWRNORM;
	struct epoll_event gone;
	int error = control(epoll, EPOLL_CTL_ADD, fd, watch->events | all, watch->data);

	if (error < 0)
		return error;
	error = (int)rf_syscall(SYS_epoll_pwait, epoll, &gone, 1, 0, NULL, 0);
	return error == 0 ? control(epoll, EPOLL_CTL_MOD, fd, watch->events, watch->data)
			  : (error < 0 ? error : 0);
}

static int add(int epoll, int fd, const struct rf_image_watch *watch)
{
	if (is_spent(watch))
		return add_spent(epoll, fd, watch);
	return control(epoll, EPOLL_CTL_ADD, fd, watch->events, watch->data);
}

/* Gives a number back to what had it; saved < 0: to nobody. */
static int give_back(int number, int saved, bool is_cloexec)
{
	int error;

	if (saved < 0)
		return rf_sys_close(number);
	error = (int)rf_syscall(SYS_dup3, saved, number, is_cloexec ? O_CLOEXEC : 0);
	rf_sys_close(saved);
	return error < 0 ? error : 0;
}

/* Adds a descriptor under the number that it had, which may be another's by now, even the epoll's
 * own. */
static int add_under_number(int epoll, const struct rf_image_watch *watch, unsigned spare)
{
	int number = (int)watch->number;
	long flags = rf_syscall(SYS_fcntl, number, F_GETFD);
	int saved = flags < 0 ? -1 : (int)rf_syscall(SYS_fcntl, number, F_DUPFD_CLOEXEC, spare);
	int error, restored;

	if (flags >= 0 && saved < 0)
		return saved;
	error = (int)rf_syscall(SYS_dup3, watch->descriptor, number, O_CLOEXEC);
	if (error >= 0)
		error = add(number == epoll ? saved : epoll, number, watch);
	restored = give_back(number, saved, flags >= 0 && flags & FD_CLOEXEC);
	return error < 0 ? error : restored;
}

static const struct rf_image_descriptor *find_descriptor(const struct rf_image *image,
							 uint32_t number)
{
	uint32_t low = 0, high = image->head.descriptors;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->descriptors[middle].number <= number)
			low = middle;
		else
			high = middle;
	}
	return &image->descriptors[low]; /* the reader has found it */
}

/* What has not been made, or is another stream here than it was. */
static bool may_be_left_out(const struct rf_image *image, const struct rf_image_watch *watch,
			    int error)
{
	const struct rf_image_descriptor *watched = find_descriptor(image, watch->descriptor);
	uint32_t first = watched->same_as == RF_IMAGE_NONE ? watched->number : watched->same_as;
	bool is_standard = first < RF_IMAGE_STANDARD_CHANNELS &&
			   watched->kind != RF_DESCRIPTOR_OBJECT;

	return (error == -EBADF && (is_standard || watched->flags & RF_DESCRIPTOR_MAY_CLOSE)) ||
	       (error == -EPERM && is_standard);
}

static int add_one(const struct rf_image *image, int epoll, const struct rf_image_watch *watch,
		   unsigned spare)
{
	int error = watch->number == watch->descriptor ? add(epoll, (int)watch->number, watch)
						       : add_under_number(epoll, watch, spare);

	return error < 0 && !may_be_left_out(image, watch, error) ? error : 0;
}

/* Those that are spent come first: what goes off while they are added must be theirs. */
static int add_all(const struct rf_image *image, const struct rf_image_descriptor *descriptor,
		   unsigned spare, struct rf_report *report)
{
	const struct rf_object_state *object = &image->objects[descriptor->file].object;

	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < object->watch_count; i++) {
			const struct rf_image_watch *watch = &object->watches[i];
			int error = 0;

			if (is_spent(watch) == (pass == 0))
				error = add_one(image, (int)descriptor->number, watch, spare);
			if (error < 0)
				return rf_report(
					report, ENOTSUP,
					"descriptor %u (epoll): it cannot watch descriptor "
					"%u here: %s",
					descriptor->number, watch->descriptor,
					strerrordesc_np(-error));
		}
	return 0;
}

int rf_restore_watches(const struct rf_image *image, unsigned spare, struct rf_report *report)
{
	int error = 0;

	if (!image->watch_count)
		return 0;
	for (uint32_t i = 0; i < image->head.descriptors && error == 0; i++) {
		const struct rf_image_descriptor *descriptor = &image->descriptors[i];

		if (descriptor->kind == RF_DESCRIPTOR_OBJECT &&
		    descriptor->same_as == RF_IMAGE_NONE)
			error = add_all(image, descriptor, spare, report);
	}
	return error;
}
