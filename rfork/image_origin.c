/* SPDX-License-Identifier: MIT */
/*
 * Reads what an image says besides the process itself: where it comes from, on which machine the
 * process ran and what its clocks showed, who it has been, which locks it held, what it has lost.
 * A part of the reader of images, and under its rules.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/image_record.h"

static bool is_none(const uint8_t id[RF_IMAGE_ID_BYTES])
{
	static const uint8_t none[RF_IMAGE_ID_BYTES];

	return memcmp(id, none, sizeof(none)) == 0;
}

/* A copy with a zero behind it; NULL if there is no memory. */
static char *copy_text(const unsigned char *text, size_t bytes)
{
	char *copy = malloc(bytes + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	return copy;
}

/* Absolute, or a name in the folder of the file itself. */
static bool is_path_of_parent(const char *path, size_t bytes)
{
	if (strlen(path) != bytes || bytes == 0)
		return false;
	return path[0] == '/' ||
	       (!strchr(path, '/') && strcmp(path, ".") != 0 && strcmp(path, "..") != 0);
}

int rf_record_take_origin(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_origin *origin = &image->origin;

	if (bytes < sizeof(*origin))
		return rf_record_corrupt(reader, "ORIGIN is too short");
	memcpy(origin, reader->payload, sizeof(*origin));
	if (origin->path_bytes > RF_IMAGE_MAX_PATH_BYTES ||
	    bytes != sizeof(*origin) + origin->path_bytes)
		return rf_record_corrupt(reader, "ORIGIN has another length");
	if (is_none(origin->id) || is_none(origin->parent) != (origin->path_bytes == 0) ||
	    memcmp(origin->id, origin->parent, sizeof(origin->id)) == 0)
		return rf_record_corrupt(reader, "ORIGIN has a field out of range");
	if (origin->path_bytes == 0)
		return 0;
	image->parent_path = copy_text(reader->payload + sizeof(*origin), origin->path_bytes);
	if (!image->parent_path)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	return is_path_of_parent(image->parent_path, origin->path_bytes)
		       ? 0
		       : rf_record_corrupt(reader, "the path of the parent is none");
}

static bool has_end(const char *name, size_t bytes)
{
	return strnlen(name, bytes) < bytes;
}

int rf_record_take_machine(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_machine_facts *facts = &image->facts;

	if (bytes != sizeof(*facts))
		return rf_record_corrupt(reader, "MACHINE has another length");
	memcpy(facts, reader->payload, bytes);
	if (facts->architecture != image->head.architecture ||
	    facts->page_bytes != image->head.page_bytes || facts->cpu_words > RF_CPU_WORDS ||
	    !has_end(facts->kernel_release, sizeof(facts->kernel_release)) ||
	    !has_end(facts->host_name, sizeof(facts->host_name)) ||
	    !has_end(facts->program, sizeof(facts->program)))
		return rf_record_corrupt(reader, "MACHINE has a field out of range");
	image->has_facts = true;
	return 0;
}

int rf_record_take_clocks(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_clocks *clocks = &image->clocks;

	if (bytes != sizeof(*clocks))
		return rf_record_corrupt(reader, "CLOCKS has another length");
	memcpy(clocks, reader->payload, bytes);
	if (clocks->monotonic_ns > RF_IMAGE_MAX_CLOCK_NS ||
	    clocks->boottime_ns > RF_IMAGE_MAX_CLOCK_NS)
		return rf_record_corrupt(reader, "a clock is out of range");
	image->has_clocks = true;
	return 0;
}

static bool is_whereabouts(const struct rf_image_whereabouts *where)
{
	return has_end(where->host_name, sizeof(where->host_name)) && !where->reserved &&
	       where->pid <= INT32_MAX;
}

int rf_record_take_identity(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_identity *identity = &image->identity;

	if (bytes < sizeof(*identity))
		return rf_record_corrupt(reader, "IDENTITY is too short");
	memcpy(identity, reader->payload, sizeof(*identity));
	if (identity->connection_bytes > RF_IMAGE_MAX_CONNECTION_BYTES ||
	    bytes != sizeof(*identity) + identity->connection_bytes)
		return rf_record_corrupt(reader, "IDENTITY has another length");
	if (!is_whereabouts(&identity->origin) || !is_whereabouts(&identity->home) ||
	    identity->ghost > INT32_MAX || identity->reserved || identity->hops == UINT32_MAX)
		return rf_record_corrupt(reader, "IDENTITY has a field out of range");
	memcpy(image->connection, reader->payload + sizeof(*identity), identity->connection_bytes);
	image->connection[identity->connection_bytes] = '\0';
	if (strlen(image->connection) != identity->connection_bytes)
		return rf_record_corrupt(reader, "IDENTITY has a name with a zero in it");
	image->has_identity = true;
	return 0;
}

int rf_record_take_rights(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes != sizeof(image->rights))
		return rf_record_corrupt(reader, "RIGHTS has another length");
	memcpy(&image->rights, reader->payload, bytes);
	if (image->rights.reserved)
		return rf_record_corrupt(reader, "RIGHTS has a reserved field in use");
	image->has_rights = true;
	return 0;
}

/* Why a lock is none; NULL if it is one. */
static const char *find_lock_fault(const struct rf_image *image, const struct rf_image_lock *lock)
{
	const struct rf_image_descriptor *descriptor =
		rf_record_find_descriptor(image, lock->descriptor);

	if (!descriptor || descriptor->kind != RF_DESCRIPTOR_FILE)
		return "a lock is of no file";
	if (lock->kind < RF_LOCK_RECORD || lock->kind > RF_LOCK_WHOLE || lock->reserved ||
	    (lock->type != RF_LOCK_SHARED && lock->type != RF_LOCK_EXCLUSIVE))
		return "a lock has an unknown property";
	if (lock->start > INT64_MAX || lock->bytes > INT64_MAX - lock->start ||
	    (lock->kind == RF_LOCK_WHOLE && (lock->start || lock->bytes)))
		return "a lock is out of range";
	return NULL;
}

int rf_record_take_locks(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(*image->locks);

	if (bytes == 0 || bytes % sizeof(*image->locks) || count > RF_IMAGE_MAX_LOCKS)
		return rf_record_corrupt(reader, "LOCKS has another length");
	image->locks = malloc(bytes);
	if (!image->locks)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	memcpy(image->locks, reader->payload, bytes);
	image->lock_count = (uint32_t)count;
	for (size_t i = 0; i < count; i++) {
		const char *fault = find_lock_fault(image, &image->locks[i]);

		if (fault)
			return rf_record_corrupt(reader, fault);
	}
	return 0;
}

int rf_record_take_lost(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes == 0 || bytes > RF_IMAGE_MAX_LOST_BYTES)
		return rf_record_corrupt(reader, "LOST has another length");
	image->lost = copy_text(reader->payload, bytes);
	if (!image->lost)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	return strlen(image->lost) == bytes && image->lost[bytes - 1] == '\n'
		       ? 0
		       : rf_record_corrupt(reader, "LOST is no text");
}
