/* SPDX-License-Identifier: MIT */
/*
 * Lays segments over segments: two ascending lists become one, in one pass.  Called by
 * statefile_reader.c, from the oldest image to the youngest.
 */
#define _GNU_SOURCE
#include "rfork/statefile_layers.h"

#include <errno.h>
#include <stdlib.h>

/* Each image may cut the segments of those before it; so many of them are no use to anybody. */
#define MAX_SEGMENTS ((size_t)4 * RF_IMAGE_MAX_SEGMENTS)

struct list {
	struct rf_segment *segments;
	size_t count, capacity;
};

static int append(struct list *list, struct rf_segment segment)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct rf_segment *grown;

		if (list->count >= MAX_SEGMENTS)
			return -E2BIG;
		grown = reallocarray(list->segments, capacity, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		list->segments = grown;
		list->capacity = capacity;
	}
	list->segments[list->count++] = segment;
	return 0;
}

static uint64_t end_of(const struct rf_segment *segment)
{
	return segment->address + segment->bytes;
}

/* Appends what of a segment lies between two addresses, if anything does. */
static int append_part(struct list *list, const struct rf_segment *segment, uint64_t start,
		       uint64_t end)
{
	struct rf_segment part = *segment;

	if (start < segment->address)
		start = segment->address;
	if (end > end_of(segment))
		end = end_of(segment);
	if (start >= end)
		return 0;
	part.address = start;
	part.bytes = end - start;
	if (part.kind == RF_SEGMENT_DATA)
		part.offset += start - segment->address;
	return append(list, part);
}

static struct rf_segment from_file(const struct rf_image_segment *segment, int fd)
{
	return (struct rf_segment){ .address = segment->address,
				    .bytes = segment->bytes,
				    .offset = segment->offset,
				    .fd = segment->kind == RF_SEGMENT_DATA ? fd : -1,
				    .kind = (enum rf_segment_kind)segment->kind };
}

/* Appends what of `under` lies between two addresses; *next is the first that may. */
static int append_between(struct list *list, const struct rf_layers *under, size_t *next,
			  uint64_t start, uint64_t end)
{
	int error = 0;

	while (*next < under->count && end_of(&under->segments[*next]) <= start)
		(*next)++;
	while (*next < under->count && under->segments[*next].address < end && error == 0) {
		error = append_part(list, &under->segments[*next], start, end);
		if (end_of(&under->segments[*next]) > end)
			break; /* more of it may follow */
		(*next)++;
	}
	return error;
}

static int lay_over(struct list *list, const struct rf_layers *under,
		    const struct rf_reader_index *over, int fd)
{
	uint64_t done = 0; /* up to here all is in the list */
	size_t next = 0;
	int error = 0;

	for (size_t i = 0; i < over->segment_count && error == 0; i++) {
		const struct rf_image_segment *segment = &over->segments[i];

		error = append_between(list, under, &next, done, segment->address);
		if (error == 0)
			error = append(list, from_file(segment, fd));
		done = segment->address + segment->bytes;
	}
	return error ? error : append_between(list, under, &next, done, UINT64_MAX);
}

/* Keeps what lies in mappings other than of shared files, in pieces that lie in one each. */
static int clip(struct list *list, const struct rf_layers *layers, const struct rf_image *image)
{
	size_t next = 0;
	int error = 0;

	for (uint32_t i = 0; i < image->head.mappings && error == 0; i++) {
		const struct rf_image_mapping *mapping = &image->mappings[i];

		if (!rf_mapping_is_shared_file(mapping))
			error = append_between(list, layers, &next, mapping->start, mapping->end);
	}
	return error;
}

int rf_layers_add(struct rf_layers *layers, const struct rf_image *image,
		  const struct rf_reader_index *index, int fd)
{
	struct list all = { 0 }, kept = { 0 };
	int error = lay_over(&all, layers, index, fd);
	const struct rf_layers laid = { all.segments, all.count };

	if (error == 0)
		error = clip(&kept, &laid, image);
	free(all.segments);
	if (error < 0) {
		free(kept.segments);
		return error;
	}
	free(layers->segments);
	*layers = (struct rf_layers){ kept.segments, kept.count };
	return 0;
}
