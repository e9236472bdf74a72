/* SPDX-License-Identifier: MIT */
/*
 * Reads the objects of an image.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

/* Copies a payload that has one fixed length; what is to be said if it has another. */
static const char *take_fixed(void *target, size_t expected, const unsigned char *payload,
			      size_t bytes)
{
	if (bytes != expected)
		return "OBJECT has another length";
	memcpy(target, payload, bytes);
	return NULL;
}

/* Each takes what follows the head of an object of one kind, and returns what is wrong with it, or
 * NULL. */

static const char *take_event(struct rf_object_state *object, const unsigned char *payload,
			      size_t bytes)
{
	const char *fault = take_fixed(&object->event, sizeof(object->event), payload, bytes);

	if (!fault && (object->event.count > RF_EVENT_MAX_COUNT ||
		       object->event.flags & ~RF_EVENT_SEMAPHORE || object->event.reserved))
		fault = "an event counter has a field out of range";
	return fault;
}

typedef const char *(*take_kind)(struct rf_object_state *object, const unsigned char *payload,
				 size_t bytes);

static const take_kind kinds[] = {
	[RF_OBJECT_EVENT] = take_event,
};

int rf_record_take_object(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_object_state *object = &image->objects[image->objects_read].object;
	struct rf_image_object *head = &object->image;
	const char *fault;

	if (image->objects_read == image->head.objects)
		return rf_record_corrupt(reader, "more OBJECT records than announced");
	if (bytes < sizeof(*head))
		return rf_record_corrupt(reader, "OBJECT is too short");
	memcpy(head, reader->payload, sizeof(*head));
	if (head->index != image->objects_read || head->reserved)
		return rf_record_corrupt(reader, "OBJECT has a field out of range");
	if (head->kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[head->kind])
		return rf_report(reader->report, ENOTSUP, "object %u: kind %u is not supported",
				 head->index, head->kind);
	image->objects_read++; /* what it holds is released from here on */
	fault = kinds[head->kind](object, reader->payload + sizeof(*head), bytes - sizeof(*head));
	return fault ? rf_record_corrupt(reader, fault) : 0;
}

void rf_record_release_objects(struct rf_image *image)
{
	free(image->objects);
}
