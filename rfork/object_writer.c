/* SPDX-License-Identifier: MIT */
/*
 * Writes objects.  Called by snapshot.c for a process that captures itself, in the frozen ghost,
 * and by source_writer.c for one at rest.
 */
#define _GNU_SOURCE
#include "rfork/object_writer.h"

#include <errno.h>

/* What follows the head: pieces of memory, whose number is returned; -EINVAL for no known kind. */
static int find_payload(const struct rf_object_state *object, struct iovec pieces[3])
{
	switch (object->image.kind) {
	case RF_OBJECT_EVENT:
		pieces[0] = (struct iovec){ (void *)&object->event, sizeof(object->event) };
		return 1;
	case RF_OBJECT_TIMER:
		pieces[0] = (struct iovec){ (void *)&object->timer, sizeof(object->timer) };
		return 1;
	case RF_OBJECT_SIGNALS:
		pieces[0] = (struct iovec){ (void *)&object->signals, sizeof(object->signals) };
		return 1;
	case RF_OBJECT_INOTIFY:
		pieces[0] = (struct iovec){ (void *)&object->inotify, sizeof(object->inotify) };
		pieces[1] = (struct iovec){ object->watched, object->watched_bytes };
		return object->watched_bytes ? 2 : 1;
	case RF_OBJECT_PROCESS:
		pieces[0] = (struct iovec){ (void *)&object->process, sizeof(object->process) };
		return 1;
	case RF_OBJECT_POLL:
		return 0;
	case RF_OBJECT_CONTENT:
		pieces[0] = (struct iovec){ (void *)&object->content, sizeof(object->content) };
		pieces[1] = (struct iovec){ object->name, object->content.name_bytes };
		return 2;
	}
	return -EINVAL;
}

int rf_object_write(const struct rf_object_state *object, struct rf_image_writer *writer)
{
	struct iovec pieces[4] = { { (void *)&object->image, sizeof(object->image) } };
	int count = find_payload(object, pieces + 1);

	return count < 0 ? count : rf_image_write(writer, RF_RECORD_OBJECT, pieces, 1 + count);
}

int rf_object_write_watches(const struct rf_object_state *object, struct rf_image_writer *writer)
{
	const struct rf_image_watches head = { .object = object->image.index };
	const uint32_t most = (RF_RECORD_MAX_BYTES - sizeof(head)) / sizeof(object->watches[0]);
	int error = 0;

	for (uint32_t done = 0, batch; done < object->watch_count && error == 0; done += batch) {
		struct iovec pieces[2] = { { (void *)&head, sizeof(head) } };

		batch = object->watch_count - done < most ? object->watch_count - done : most;
		pieces[1] = (struct iovec){ object->watches + done,
					    batch * sizeof(object->watches[0]) };
		error = rf_image_write(writer, RF_RECORD_WATCHES, pieces, 2);
	}
	return error;
}
