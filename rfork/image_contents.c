/* SPDX-License-Identifier: MIT */
/*
 * Reads files whose bytes travel: what an OBJECT says of one, and the CONTENT records behind the
 * layout.  A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rfork/image_record.h"

/* F_SEAL_* of Linux */
#define KNOWN_SEALS 0x3fu

static const char *find_fault(const struct rf_image *image, const struct rf_object_content *content)
{
	bool is_memory = content->flags & RF_CONTENT_MEMORY;
	bool is_named = content->file != RF_IMAGE_NONE;

	if (content->flags & ~RF_CONTENT_MEMORY || content->reserved ||
	    content->seals & ~KNOWN_SEALS || content->size_bytes > INT64_MAX ||
	    content->mode > 0177777 || !S_ISREG(content->mode))
		return "a content has a field out of range";
	if (is_memory && (is_named || content->name_bytes > RF_CONTENT_MAX_NAME_BYTES))
		return "a memfd has another name";
	if (!is_memory && content->seals)
		return "a file is sealed that is no memfd";
	if (is_named && content->file >= image->files_read)
		return "a content has an unknown file";
	if (!is_memory &&
	    (is_named ? content->name_bytes != 0
		      : content->name_bytes == 0 || content->name_bytes > RF_IMAGE_MAX_PATH_BYTES))
		return "a content has no name, or two";
	return NULL;
}

const char *rf_record_take_content_object(const struct rf_image *image,
					  struct rf_object_state *object,
					  const unsigned char *payload, size_t bytes)
{
	struct rf_object_content *content = &object->content;
	const char *fault;

	if (bytes < sizeof(*content))
		return "OBJECT has another length";
	memcpy(content, payload, sizeof(*content));
	fault = find_fault(image, content);
	if (!fault && bytes != sizeof(*content) + content->name_bytes)
		fault = "OBJECT has another length";
	if (fault)
		return fault;
	object->name = malloc(content->name_bytes + 1);
	if (!object->name)
		return "there is no memory for a name";
	memcpy(object->name, payload + sizeof(*content), content->name_bytes);
	object->name[content->name_bytes] = '\0';
	return strlen(object->name) == content->name_bytes ? NULL : "a name has a zero in it";
}

static const struct rf_object_state *find_content(const struct rf_image *image, uint32_t index)
{
	const struct rf_object_state *object =
		index < image->objects_read ? &image->objects[index].object : NULL;

	return object && object->image.kind == RF_OBJECT_CONTENT ? object : NULL;
}

/* What is wrong with the head of bytes of a file, of which `left` follow; NULL = nothing. */
static const char *find_content_fault(const struct rf_reader *reader,
				      const struct rf_object_state *object,
				      const struct rf_image_content *head, size_t left)
{
	if (!object || head->reserved)
		return "CONTENT is of no known object";
	if (!rf_record_is_agreed(reader, head->codec))
		return "nobody has agreed on its codec";
	if (!head->bytes || head->bytes > RF_CONTENT_MAX_BYTES ||
	    (head->codec == RF_CODEC_NONE ? left != head->bytes : !left || left >= head->bytes))
		return "CONTENT has another length";
	if (head->offset > object->content.size_bytes ||
	    head->bytes > object->content.size_bytes - head->offset)
		return "CONTENT lies behind its file's end";
	return NULL;
}

/* The bytes as they are, which lie behind the head in the payload; NULL if they cannot be
 * unpacked. */
static const unsigned char *unpack(struct rf_reader *reader, const struct rf_image_content *head,
				   size_t left)
{
	const struct rf_page_unpacker *unpacker = reader->unpacker;
	unsigned char *bytes = reader->payload + sizeof(*head);
	struct iovec packed = { bytes, left };
	struct iovec data;

	if (head->codec == RF_CODEC_NONE)
		return bytes;
	data = (struct iovec){ unpacker->room, head->bytes };
	return unpacker->unpack(unpacker->context, (enum rf_codec)head->codec, &packed, &data, 1,
				false) == 0
		       ? unpacker->room
		       : NULL;
}

int rf_record_take_content(struct rf_reader *reader, const struct rf_image *image,
			   const struct rf_record_header *header)
{
	struct rf_image_content head;
	const unsigned char *bytes;
	const char *fault;
	size_t left;
	int error;

	if (header->length_bytes <= sizeof(head) ||
	    header->length_bytes - sizeof(head) > RF_CONTENT_MAX_BYTES)
		return rf_record_corrupt(reader, "CONTENT has another length");
	error = rf_record_read_payload(reader, header, RF_RECORD_END_BYTES);
	if (error < 0)
		return error;
	memcpy(&head, reader->payload, sizeof(head));
	left = header->length_bytes - sizeof(head);
	fault = find_content_fault(reader, find_content(image, head.object), &head, left);
	if (fault)
		return rf_record_corrupt(reader, fault);
	if (!reader->contents)
		return rf_report(reader->report, ENOTSUP, "contents of files are not supported");
	bytes = unpack(reader, &head, left);
	if (!bytes)
		return rf_record_corrupt(reader, "its bytes cannot be unpacked");
	return reader->contents->put(reader->contents->context, head.object, head.offset, bytes,
				     head.bytes);
}
