/* SPDX-License-Identifier: MIT */
/*
 * Reads the pipes of an image.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

/* Why a pipe is none; NULL if it is one, as far as its head says. */
static const char *find_fault(const struct rf_image *image, const struct rf_image_pipe *pipe)
{
	uint64_t total_bytes = pipe->capacity_bytes;

	for (uint32_t i = 0; i < image->pipe_count; i++)
		total_bytes += image->pipes[i].image.capacity_bytes;
	if (pipe->index != image->pipe_count || pipe->index >= RF_IMAGE_MAX_PIPES)
		return "pipes are out of order, or too many";
	if (pipe->capacity_bytes < RF_PIPE_MIN_CAPACITY ||
	    pipe->capacity_bytes > RF_PIPE_MAX_CAPACITY ||
	    pipe->capacity_bytes & (pipe->capacity_bytes - 1) ||
	    total_bytes > RF_IMAGE_MAX_PIPE_BYTES)
		return "the capacity of a pipe is out of range";
	if (pipe->bytes > pipe->capacity_bytes ||
	    pipe->packets > pipe->capacity_bytes / RF_PIPE_MAX_PACKET_BYTES)
		return "a pipe holds more than it can";
	return NULL;
}

static bool are_packets(const struct rf_image_pipe *pipe, const uint32_t *lengths)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < pipe->packets; i++) {
		if (lengths[i] == 0 || lengths[i] > RF_PIPE_MAX_PACKET_BYTES)
			return false;
		bytes += lengths[i];
	}
	return pipe->packets == 0 || bytes == pipe->bytes;
}

/* Room for one more. */
static struct rf_reader_pipe *grow(struct rf_image *image)
{
	struct rf_reader_pipe *grown =
		realloc(image->pipes, (image->pipe_count + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	image->pipes = grown;
	return &grown[image->pipe_count];
}

int rf_record_take_pipe(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_pipe head;
	struct rf_reader_pipe *pipe;
	const char *fault;
	size_t table_bytes;

	if (bytes < sizeof(head))
		return rf_record_corrupt(reader, "PIPE is too short");
	memcpy(&head, reader->payload, sizeof(head));
	fault = find_fault(image, &head);
	if (fault)
		return rf_record_corrupt(reader, fault);
	table_bytes = head.packets * sizeof(uint32_t);
	if (bytes != sizeof(head) + table_bytes + head.bytes)
		return rf_record_corrupt(reader, "PIPE has another length");
	pipe = grow(image);
	if (!pipe)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	*pipe = (struct rf_reader_pipe){ .image = head, .lengths = malloc(bytes) };
	if (!pipe->lengths)
		return rf_report(reader->report, ENOMEM, "no memory for the contents of a pipe");
	image->pipe_count++;
	memcpy(pipe->lengths, reader->payload + sizeof(head), bytes - sizeof(head));
	pipe->contents = (const unsigned char *)pipe->lengths + table_bytes;
	return are_packets(&head, pipe->lengths)
		       ? 0
		       : rf_record_corrupt(reader, "the packets of a pipe are not its contents");
}
