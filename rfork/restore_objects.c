/* SPDX-License-Identifier: MIT */
/*
 * Makes the image's objects.  Called by whoever becomes an image, in the order of descriptors.
 */
#define _GNU_SOURCE
#include "rfork/restore_objects.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "rfork/io.h"
#include "rfork/sys.h"

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

static int make(const struct rf_object_state *object, int64_t since_ns)
{
	(void)since_ns;
	switch (object->image.kind) {
	case RF_OBJECT_EVENT:
		return make_event(object);
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
	static const char *const names[] = { [RF_OBJECT_EVENT] = "eventfd" };

	return descriptor->same_as == RF_IMAGE_NONE
		       ? names[image->objects[descriptor->file].object.image.kind]
		       : "a duplicate";
}
