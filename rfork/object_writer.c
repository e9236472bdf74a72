/* SPDX-License-Identifier: MIT */
/*
 * Writes objects.  Called by snapshot.c for a process that captures itself, in the frozen ghost, and
 * by source_writer.c for one at rest.
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
	}
	return -EINVAL;
}

int rf_object_write(const struct rf_object_state *object, struct rf_image_writer *writer)
{
	struct iovec pieces[4] = { { (void *)&object->image, sizeof(object->image) } };
	int count = find_payload(object, pieces + 1);

	return count < 0 ? count : rf_image_write(writer, RF_RECORD_OBJECT, pieces, 1 + count);
}
