/* SPDX-License-Identifier: MIT */
/*
 * Reads the objects of an image.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rfork/image_record.h"

static const char no_memory[] = "no memory for the layout of the image";

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
		       object->event.flags > RF_EVENT_UNTOLD || object->event.reserved))
		fault = "an event counter has a field out of range";
	return fault;
}

static const char *take_timer(struct rf_object_state *object, const unsigned char *payload,
			      size_t bytes)
{
	const struct rf_object_timer *timer = &object->timer;
	const char *fault = take_fixed(&object->timer, sizeof(*timer), payload, bytes);
	bool is_wall = timer->clock == CLOCK_REALTIME || timer->clock == CLOCK_REALTIME_ALARM;

	if (fault)
		return fault;
	if (!is_wall && timer->clock != CLOCK_MONOTONIC && timer->clock != CLOCK_BOOTTIME &&
	    timer->clock != CLOCK_BOOTTIME_ALARM)
		return "a timer has an unknown clock";
	if (timer->flags & ~(RF_TIMER_ABSOLUTE | RF_TIMER_CANCEL_ON_SET) ||
	    timer->remaining_ns > INT64_MAX || timer->interval_ns > INT64_MAX || timer->due_ns < 0)
		return "a timer has a field out of range";
	if (timer->due_ns &&
	    (!is_wall || !(timer->flags & RF_TIMER_ABSOLUTE) || !timer->remaining_ns))
		return "a timer is due by a clock that it has not";
	return NULL;
}

static const char *take_signals(struct rf_object_state *object, const unsigned char *payload,
				size_t bytes)
{
	return take_fixed(&object->signals, sizeof(object->signals), payload, bytes);
}

static const char *take_poll(struct rf_object_state *object, const unsigned char *payload,
			     size_t bytes)
{
	(void)object;
	(void)payload;
	return bytes ? "OBJECT has another length" : NULL;
}

/* Looks at what is watched, and at the paths behind it, which must be all there is. */
static const char *find_watched_fault(const struct rf_object_state *object)
{
	const struct rf_image_watched *watched = object->watched;
	uint32_t count = object->inotify.watched;
	const char *path = (const char *)(watched + count);
	uint64_t left = object->watched_bytes - (uint64_t)count * sizeof(*watched);

	for (uint32_t i = 0; i < count; i++) {
		if (watched[i].number < 1 || (i && watched[i].number <= watched[i - 1].number) ||
		    !watched[i].mask || watched[i].mask & ~RF_INOTIFY_MASK)
			return "a watch has a field out of range";
		if (watched[i].path_bytes == 0 || watched[i].path_bytes > RF_IMAGE_MAX_PATH_BYTES ||
		    watched[i].path_bytes > left || *path != '/' ||
		    memchr(path, 0, watched[i].path_bytes))
			return "a watch has no path";
		path += watched[i].path_bytes;
		left -= watched[i].path_bytes;
	}
	return left ? "OBJECT has another length" : NULL;
}

static const char *take_inotify(struct rf_object_state *object, const unsigned char *payload,
				size_t bytes)
{
	struct rf_object_inotify *inotify = &object->inotify;

	if (bytes < sizeof(*inotify))
		return "OBJECT is too short";
	memcpy(inotify, payload, sizeof(*inotify));
	bytes -= sizeof(*inotify);
	if (inotify->reserved || inotify->watched > RF_INOTIFY_MAX_WATCHED ||
	    bytes < inotify->watched * sizeof(*object->watched))
		return "OBJECT has a field out of range";
	object->watched = malloc(bytes + 1);
	if (!object->watched)
		return no_memory;
	memcpy(object->watched, payload + sizeof(*inotify), bytes);
	object->watched_bytes = (uint32_t)bytes;
	return find_watched_fault(object);
}

static const char *take_process(struct rf_object_state *object, const unsigned char *payload,
				size_t bytes)
{
	const char *fault = take_fixed(&object->process, sizeof(object->process), payload, bytes);

	if (!fault && (object->process.flags & ~RF_PROCESS_THREAD || object->process.reserved))
		fault = "a process has a field out of range";
	return fault;
}

typedef const char *(*take_kind)(struct rf_object_state *object, const unsigned char *payload,
				 size_t bytes);

static const take_kind kinds[] = {
	[RF_OBJECT_EVENT] = take_event,	    [RF_OBJECT_TIMER] = take_timer,
	[RF_OBJECT_SIGNALS] = take_signals, [RF_OBJECT_POLL] = take_poll,
	[RF_OBJECT_INOTIFY] = take_inotify, [RF_OBJECT_PROCESS] = take_process,
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
	if (head->kind != RF_OBJECT_CONTENT &&
	    (head->kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[head->kind]))
		return rf_report(reader->report, ENOTSUP, "object %u: kind %u is not supported",
				 head->index, head->kind);
	image->objects_read++; /* what it holds is released from here on */
	if (head->kind == RF_OBJECT_CONTENT)
		fault = rf_record_take_content_object(
			image, object, reader->payload + sizeof(*head), bytes - sizeof(*head));
	else
		fault = kinds[head->kind](object, reader->payload + sizeof(*head),
					  bytes - sizeof(*head));
	if (fault == no_memory)
		return rf_report(reader->report, ENOMEM, "%s", fault);
	return fault ? rf_record_corrupt(reader, fault) : 0;
}

/* -- what is watched -------------------------------------------------------------------------- */

static const char *find_watch_fault(const struct rf_image *image,
				    const struct rf_image_watch *watch)
{
	if (watch->number > RF_IMAGE_MAX_FD || watch->reserved)
		return "what is watched has a field out of range";
	return rf_record_find_descriptor(image, watch->descriptor)
		       ? NULL
		       : "an unknown descriptor is watched";
}

/* The object of the current record; NULL if that is not of this kind. */
static struct rf_object_state *find_poll(struct rf_reader *reader, const struct rf_image *image,
					 size_t bytes)
{
	struct rf_image_watches head;
	struct rf_object_state *object;

	if (bytes <= sizeof(head) || (bytes - sizeof(head)) % sizeof(struct rf_image_watch))
		return NULL;
	memcpy(&head, reader->payload, sizeof(head));
	if (head.object >= image->objects_read || head.reserved)
		return NULL;
	object = &image->objects[head.object].object;
	return object->image.kind == RF_OBJECT_POLL ? object : NULL;
}

int rf_record_take_watches(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_object_state *object = find_poll(reader, image, bytes);
	size_t count = (bytes - sizeof(struct rf_image_watches)) / sizeof(*object->watches);
	struct rf_image_watch *grown;

	if (!object)
		return rf_record_corrupt(reader, "WATCHES is of no object that watches");
	if (count > RF_IMAGE_MAX_WATCHES - image->watch_count)
		return rf_record_corrupt(reader, "too much is watched");
	grown = realloc(object->watches, (object->watch_count + count) * sizeof(*grown));
	if (!grown)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	object->watches = grown;
	memcpy(grown + object->watch_count, reader->payload + sizeof(struct rf_image_watches),
	       count * sizeof(*grown));
	for (size_t i = 0; i < count; i++) {
		const char *fault = find_watch_fault(image, &grown[object->watch_count + i]);

		if (fault)
			return rf_record_corrupt(reader, fault);
	}
	object->watch_count += (uint32_t)count;
	image->watch_count += (uint32_t)count;
	return 0;
}

void rf_record_release_objects(struct rf_image *image)
{
	for (uint32_t i = 0; i < image->objects_read; i++) {
		free(image->objects[i].object.watched);
		free(image->objects[i].object.watches);
		if (image->objects[i].object.image.kind == RF_OBJECT_CONTENT)
			free(image->objects[i].object.name);
	}
	free(image->objects);
}
