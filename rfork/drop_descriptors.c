/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that tests leave out of an image: something stays open under the number, which reads
 * as its end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "rfork/drop_parts.h"

static void make_empty(struct rf_image_descriptor *descriptor)
{
	*descriptor = (struct rf_image_descriptor){
		.number = descriptor->number,
		.kind = RF_DESCRIPTOR_EMPTY,
		.flags = descriptor->flags & RF_DESCRIPTOR_CLOEXEC,
		.status_flags = O_RDWR,
		.same_as = RF_IMAGE_NONE,
		.file = RF_IMAGE_NONE,
	};
}

static bool is_standard(const struct rf_image_descriptor *descriptor)
{
	return descriptor->number < RF_IMAGE_STANDARD_CHANNELS ||
	       (descriptor->same_as != RF_IMAGE_NONE &&
		descriptor->same_as < RF_IMAGE_STANDARD_CHANNELS);
}

static size_t drop_file(struct rf_drop *drop, void *payload, size_t bytes, uint32_t type)
{
	const struct rf_image_descriptor *descriptor = payload;
	uint32_t file = descriptor->same_as == drop->opened_file.number ? drop->opened_file.file
									: descriptor->file;

	if (!is_standard(descriptor) && descriptor->kind == RF_DESCRIPTOR_FILE &&
	    file < RF_DROP_MAX_FILES && (drop->modes[file] & S_IFMT) == type)
		make_empty(payload);
	return bytes;
}

#define FILES(name, type)                                                                          \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes)                   \
	{                                                                                          \
		return drop_file(drop, payload, bytes, type);                                      \
	}

FILES(file, S_IFREG)
FILES(open_directory, S_IFDIR)
FILES(device, S_IFCHR)

/* The standard descriptors are what tests talk through, but for a terminal. */
static size_t drop_stream(void *payload, size_t bytes, uint32_t type)
{
	const struct rf_image_descriptor *descriptor = payload;

	if ((!is_standard(descriptor) || type == RF_STREAM_TERMINAL) &&
	    descriptor->kind == RF_DESCRIPTOR_RELAY &&
	    (descriptor->stream & RF_STREAM_TYPE) == type)
		make_empty(payload);
	return bytes;
}

#define STREAMS(name, type)                                                                        \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes)                   \
	{                                                                                          \
		(void)drop;                                                                        \
		return drop_stream(payload, bytes, type);                                          \
	}

STREAMS(pipe, RF_STREAM_PIPE)
STREAMS(stream_socket, RF_STREAM_SOCKET)
STREAMS(datagrams, RF_STREAM_DATAGRAM)
STREAMS(seqpackets, RF_STREAM_SEQPACKET)
STREAMS(listener, RF_STREAM_LISTENER)
STREAMS(terminal, RF_STREAM_TERMINAL)

static size_t drop_object(const struct rf_drop *drop, void *payload, size_t bytes, uint32_t kind)
{
	const struct rf_image_descriptor *descriptor = payload;

	if (descriptor->kind == RF_DESCRIPTOR_OBJECT && descriptor->file < RF_DROP_MAX_OBJECTS &&
	    drop->objects[descriptor->file] == kind)
		make_empty(payload);
	return bytes;
}

#define OBJECTS(name, type)                                                                        \
	size_t rf_drop_##name(struct rf_drop *drop, void *payload, size_t bytes)                   \
	{                                                                                          \
		return drop_object(drop, payload, bytes, type);                                    \
	}

OBJECTS(eventfd, RF_OBJECT_EVENT)
OBJECTS(timerfd, RF_OBJECT_TIMER)
OBJECTS(signalfd, RF_OBJECT_SIGNALS)
OBJECTS(pidfd, RF_OBJECT_PROCESS)
OBJECTS(inotify, RF_OBJECT_INOTIFY)
OBJECTS(memfd, RF_OBJECT_CONTENT)

size_t rf_drop_own_pipe(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	if (((const struct rf_image_descriptor *)payload)->kind == RF_DESCRIPTOR_PIPE)
		make_empty(payload);
	return bytes;
}

size_t rf_drop_pipe_contents(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_pipe *pipe = payload;

	(void)drop;
	(void)bytes;
	pipe->packets = 0;
	pipe->bytes = 0;
	return sizeof(*pipe);
}

size_t rf_drop_cloexec(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	((struct rf_image_descriptor *)payload)->flags &= (uint16_t)~RF_DESCRIPTOR_CLOEXEC;
	return bytes;
}

size_t rf_drop_status_flags(struct rf_drop *drop, void *payload, size_t bytes)
{
	(void)drop;
	((struct rf_image_descriptor *)payload)->status_flags &= O_ACCMODE | O_PATH | O_DIRECTORY;
	return bytes;
}

size_t rf_drop_offset(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_descriptor *descriptor = payload;

	(void)drop;
	if (descriptor->kind == RF_DESCRIPTOR_FILE)
		descriptor->offset = 0;
	return bytes;
}

/* A duplicate of a file becomes one that was opened a second time. */
size_t rf_drop_duplicates(struct rf_drop *drop, void *payload, size_t bytes)
{
	struct rf_image_descriptor *descriptor = payload;
	struct rf_image_descriptor twin = drop->opened_file;

	if (descriptor->kind != RF_DESCRIPTOR_FILE || descriptor->same_as == RF_IMAGE_NONE ||
	    descriptor->same_as != twin.number)
		return bytes;
	twin.number = descriptor->number;
	twin.flags = (uint16_t)((twin.flags & ~RF_DESCRIPTOR_CLOEXEC) |
				(descriptor->flags & RF_DESCRIPTOR_CLOEXEC));
	*descriptor = twin;
	return bytes;
}

size_t rf_drop_seals(struct rf_drop *drop, void *payload, size_t bytes)
{
	const struct rf_image_object *object = payload;
	struct rf_object_content *content = (void *)((unsigned char *)payload + sizeof(*object));

	(void)drop;
	if (object->kind == RF_OBJECT_CONTENT)
		content->seals = 0;
	return bytes;
}
