/* SPDX-License-Identifier: MIT */
/*
 * Reads the descriptors of an image.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "rfork/image_record.h"

#define KNOWN_FLAGS                                                                                \
	(RF_DESCRIPTOR_CLOEXEC | RF_DESCRIPTOR_MAY_CLOSE | RF_DESCRIPTOR_DIGEST |                  \
	 RF_DESCRIPTOR_WITNESS | RF_DESCRIPTOR_BY_PATH | RF_DESCRIPTOR_AT_END)

const struct rf_image_descriptor *rf_record_find_descriptor(const struct rf_image *image,
							    uint32_t number)
{
	uint32_t low = 0;
	uint32_t high = image->descriptors_read;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->descriptors[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < image->descriptors_read && image->descriptors[low].number == number
		       ? &image->descriptors[low]
		       : NULL;
}

/* Whether same_as names an earlier descriptor that stands for itself. */
static bool is_known_descriptor(const struct rf_image *image, uint32_t number)
{
	const struct rf_image_descriptor *descriptor = rf_record_find_descriptor(image, number);

	return descriptor && descriptor->same_as == RF_IMAGE_NONE;
}

/* However often the terminal was opened, it is one channel. */
static const char *find_terminal_fault(const struct rf_image_descriptor *descriptor)
{
	uint32_t directions = descriptor->stream & ~RF_STREAM_TERMINAL;

	if ((descriptor->stream & RF_STREAM_TYPE) != RF_STREAM_TERMINAL ||
	    descriptor->file != RF_IMAGE_TERMINAL_CHANNEL || descriptor->offset)
		return "the terminal has a channel of its own";
	if (!directions || directions & ~(RF_STREAM_READ | RF_STREAM_WRITE))
		return "a terminal has no known direction";
	return NULL;
}

/* Why a relay is not one; NULL if it is. */
static const char *find_relay_fault(const struct rf_image *image,
				    const struct rf_image_descriptor *descriptor)
{
	uint32_t channel = descriptor->file;
	uint32_t type = descriptor->stream & RF_STREAM_TYPE;
	uint32_t directions = descriptor->stream & ~RF_STREAM_TYPE;

	if (channel >= RF_IMAGE_MAX_CHANNELS)
		return "a channel is out of range";
	if (type == RF_STREAM_TERMINAL || channel == RF_IMAGE_TERMINAL_CHANNEL)
		return find_terminal_fault(descriptor);
	if (image->channels[channel / 64] >> channel % 64 & 1)
		return "a channel has two descriptors";
	if (type == RF_STREAM_LISTENER)
		directions &= ~RF_STREAM_CONNECTIONS_KEEP_MESSAGES;
	if (type == RF_STREAM_DATAGRAM &&
	    directions == (RF_STREAM_READ | RF_STREAM_WRITE | RF_STREAM_HAS_NO_PEER))
		directions &= ~RF_STREAM_HAS_NO_PEER;
	if (type < RF_STREAM_PIPE || type > RF_STREAM_LISTENER || directions == 0 ||
	    directions & ~(RF_STREAM_READ | RF_STREAM_WRITE))
		return "a relay is of no known stream";
	if (type == RF_STREAM_LISTENER && directions != RF_STREAM_READ)
		return "a listening socket is written to";
	if (descriptor->offset && ((type != RF_STREAM_DATAGRAM && type != RF_STREAM_SEQPACKET) ||
				   descriptor->offset > INT32_MAX))
		return "a send buffer is out of range";
	if (type == RF_STREAM_PIPE && directions == (RF_STREAM_READ | RF_STREAM_WRITE))
		return "a pipe has two directions";
	if (channel < RF_IMAGE_STANDARD_CHANNELS &&
	    descriptor->stream !=
		    (RF_STREAM_PIPE | (channel == 0 ? RF_STREAM_READ : RF_STREAM_WRITE)))
		return "a standard channel is not its pipe";
	return NULL;
}

static int take_relay(struct rf_reader *reader, struct rf_image *image,
		      const struct rf_image_descriptor *descriptor)
{
	const char *fault = find_relay_fault(image, descriptor);

	if (fault)
		return rf_record_corrupt(reader, fault);
	image->channels[descriptor->file / 64] |= UINT64_C(1) << descriptor->file % 64;
	return 0;
}

static int take_pipe_end(struct rf_reader *reader, struct rf_image *image,
			 const struct rf_image_descriptor *descriptor)
{
	uint32_t end = descriptor->stream & (RF_STREAM_READ | RF_STREAM_WRITE);

	if (descriptor->file >= image->pipe_count)
		return rf_record_corrupt(reader, "a descriptor has an unknown pipe");
	if (descriptor->stream != (RF_STREAM_PIPE | RF_STREAM_READ) &&
	    descriptor->stream != (RF_STREAM_PIPE | RF_STREAM_WRITE))
		return rf_record_corrupt(reader, "an end of a pipe is none");
	if (image->pipes[descriptor->file].used_ends & end)
		return rf_record_corrupt(reader, "an end of a pipe has two descriptors");
	image->pipes[descriptor->file].used_ends |= end;
	return 0;
}

static int take_object(struct rf_reader *reader, struct rf_image *image,
		       const struct rf_image_descriptor *descriptor)
{
	struct rf_reader_object *object;

	if (descriptor->file >= image->objects_read)
		return rf_record_corrupt(reader, "a descriptor has an unknown object");
	object = &image->objects[descriptor->file];
	/* a file can be open more than once */
	if (object->is_used && object->object.image.kind != RF_OBJECT_CONTENT)
		return rf_record_corrupt(reader, "an object has two descriptors");
	object->is_used = true;
	return 0;
}

static int check_kind(struct rf_reader *reader, struct rf_image *image,
		      const struct rf_image_descriptor *descriptor)
{
	bool is_first = descriptor->same_as == RF_IMAGE_NONE;

	switch (descriptor->kind) {
	case RF_DESCRIPTOR_RELAY:
		return is_first ? take_relay(reader, image, descriptor) : 0;
	case RF_DESCRIPTOR_EMPTY:
		return 0;
	case RF_DESCRIPTOR_PIPE:
		return is_first ? take_pipe_end(reader, image, descriptor) : 0;
	case RF_DESCRIPTOR_OBJECT:
		return is_first ? take_object(reader, image, descriptor) : 0;
	case RF_DESCRIPTOR_FILE:
		return is_first && descriptor->file >= image->files_read
			       ? rf_record_corrupt(reader, "a descriptor has an unknown file")
			       : 0;
	}
	return rf_report(reader->report, ENOTSUP, "descriptor %u: kind %u is not supported",
			 descriptor->number, descriptor->kind);
}

/* A content that the node may have by a path is proved like any file. */
static bool may_be_file(const struct rf_image *image, const struct rf_image_descriptor *descriptor)
{
	const struct rf_object_state *object;

	if (descriptor->kind != RF_DESCRIPTOR_OBJECT || descriptor->file >= image->objects_read)
		return descriptor->kind == RF_DESCRIPTOR_FILE;
	object = &image->objects[descriptor->file].object;
	return object->image.kind == RF_OBJECT_CONTENT && object->content.file != RF_IMAGE_NONE;
}

/* Whether digest, witness and what else is only of files are where they can decide, or absent. */
static bool is_proof_in_place(const struct rf_image *image,
			      const struct rf_image_descriptor *descriptor)
{
	bool is_first = descriptor->kind == RF_DESCRIPTOR_FILE &&
			descriptor->same_as == RF_IMAGE_NONE;
	bool is_file = descriptor->same_as == RF_IMAGE_NONE && may_be_file(image, descriptor) &&
		       !(descriptor->status_flags & O_PATH);
	uint32_t access = descriptor->status_flags & O_ACCMODE;

	if (descriptor->flags & (RF_DESCRIPTOR_BY_PATH | RF_DESCRIPTOR_AT_END) && !is_first)
		return false;
	if (descriptor->flags & RF_DESCRIPTOR_DIGEST
		    ? !is_file || access != O_RDONLY
		    : descriptor->digest[0] || descriptor->digest[1])
		return false;
	if (!(descriptor->flags & RF_DESCRIPTOR_WITNESS))
		return !descriptor->witness;
	return is_file && (access == O_WRONLY || access == O_RDWR) &&
	       descriptor->witness >= RF_WITNESS_FIRST && descriptor->witness < RF_WITNESS_END;
}

int rf_record_take_descriptor(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_descriptor descriptor;
	uint32_t count = image->descriptors_read;
	int error;

	if (count == image->head.descriptors)
		return rf_record_corrupt(reader, "more DESCRIPTOR records than announced");
	if (bytes != sizeof(descriptor))
		return rf_record_corrupt(reader, "DESCRIPTOR has another length");
	memcpy(&descriptor, reader->payload, sizeof(descriptor));
	if (descriptor.number > RF_IMAGE_MAX_FD || descriptor.flags & ~KNOWN_FLAGS ||
	    (descriptor.stream && descriptor.kind != RF_DESCRIPTOR_RELAY &&
	     descriptor.kind != RF_DESCRIPTOR_PIPE) ||
	    !is_proof_in_place(image, &descriptor) ||
	    (count && descriptor.number <= image->descriptors[count - 1].number) ||
	    (descriptor.same_as != RF_IMAGE_NONE &&
	     !is_known_descriptor(image, descriptor.same_as)))
		return rf_record_corrupt(reader, "DESCRIPTOR has a field out of range");
	error = check_kind(reader, image, &descriptor);
	if (error == 0)
		image->descriptors[image->descriptors_read++] = descriptor;
	return error;
}
