/* SPDX-License-Identifier: MIT */
/*
 * What the inotify(7) instances of a process watch.  Called by fdobject.c in the caller, or in
 * undump.  The kernel tells the inode of what is watched, and a handle of it, but no path: that is
 * searched for (fdsearch).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/fdobject.h"
#include "rfork/fdsearch.h"
#include "rfork/sys.h"

/* -- what the kernel tells --------------------------------------------------------------------- */

static uint64_t take(const char **next, const char *label)
{
	const char *found = strstr(*next, label);
	char *end;
	uint64_t value;

	if (!found)
		return 0;
	value = strtoull(found + strlen(label), &end, 16);
	*next = end;
	return value;
}

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* A kernel without handles tells none. */
static int parse_handle(struct rf_fdsearch *search, struct rf_wanted *wanted, const char *text)
{
	uint64_t bytes = take(&text, "fhandle-bytes:");
	int32_t type = (int32_t)take(&text, "fhandle-type:");
	struct rf_handle *handle;

	text = strstr(text, "f_handle:");
	if (!text || !bytes || bytes > RF_HANDLE_MAX_BYTES)
		return 0;
	handle = rf_fdsearch_take_handle(search, (uint32_t)bytes);
	if (!handle)
		return -ENOMEM;
	handle->type = type;
	text += sizeof("f_handle:") - 1;
	for (uint32_t i = 0; i < bytes && text[2 * i] > ' ' && text[2 * i + 1] > ' '; i++)
		handle->data[i] = (unsigned char)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	wanted->handle = handle;
	return 0;
}

/* "inotify wd:1 ino:3c51a sdev:fe00000 mask:fff ignored_mask:0 fhandle-bytes:8 ..." */
static int take_line(void *context, const char *line)
{
	static const char label[] = "inotify ";
	struct rf_fdsearch *search = context;
	struct rf_wanted *wanted;

	if (strncmp(line, label, sizeof(label) - 1) != 0)
		return 0;
	wanted = rf_fdsearch_add(search);
	if (!wanted)
		return -ENOMEM;
	wanted->number = (int32_t)take(&line, "wd:");
	wanted->inode = take(&line, "ino:");
	wanted->device = take(&line, "sdev:");
	wanted->mask = (uint32_t)take(&line, "mask:") & RF_INOTIFY_MASK;
	return parse_handle(search, wanted, line);
}

/* -- into the object --------------------------------------------------------------------------- */

static void refuse(struct rf_fdobject *object, const struct rf_wanted *wanted,
		   struct rf_refusals *refusals)
{
	object->forgotten++;
	if (!refusals)
		return;
	rf_refuse(
		refusals,
		"descriptor %u (%s): watch %d is of inode %lu of device %u:%u, which is neither "
		"around what the process has open nor to be opened by a handle (CAP_DAC_READ_SEARCH)",
		object->number, object->path, wanted->number, wanted->inode,
		(unsigned)(wanted->device >> 20), (unsigned)(wanted->device & 0xfffff));
	refusals->closable++;
}

/* It goes without its watches, or is refused. */
static void refuse_all(struct rf_fdobject *object, const struct rf_fdsearch *search,
		       struct rf_refusals *refusals)
{
	static const char why[] = "with their paths they are too many for an image";

	object->forgotten += (uint32_t)search->count;
	if (!refusals)
		return;
	rf_refuse(refusals, "descriptor %u (%s): its watches, %zu or more: %s", object->number,
		  object->path, search->count, why);
	refusals->closable++;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct rf_wanted *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* What a record needs for all that have been found. */
static size_t count_bytes(const struct rf_fdsearch *search)
{
	size_t bytes = 0;

	for (size_t i = 0; i < search->count; i++)
		if (search->wanted[i].path)
			bytes += sizeof(struct rf_image_watched) + strlen(search->wanted[i].path);
	return bytes;
}

static struct rf_image_watched describe(const struct rf_wanted *wanted)
{
	return (struct rf_image_watched){ .number = wanted->number,
					  .mask = wanted->mask,
					  .mode = wanted->mode,
					  .path_bytes = (uint32_t)strlen(wanted->path) };
}

/* Lays the table out, and the paths behind it, as the record has them. */
static void lay_out(const struct rf_fdsearch *search, struct rf_fdobject *object,
		    struct rf_refusals *refusals)
{
	uint32_t kept = 0;
	char *next;

	for (size_t i = 0; i < search->count; i++)
		if (search->wanted[i].path)
			object->object.watched[kept++] = describe(&search->wanted[i]);
		else
			refuse(object, &search->wanted[i], refusals);
	next = (char *)(object->object.watched + kept);
	for (size_t i = 0; i < search->count; i++)
		if (search->wanted[i].path)
			next = mempcpy(next, search->wanted[i].path,
				       strlen(search->wanted[i].path));
	object->object.inotify.watched = kept;
}

static int fill(struct rf_fdsearch *search, struct rf_arena *arena, struct rf_fdobject *object,
		struct rf_refusals *refusals)
{
	size_t bytes = count_bytes(search);

	if (bytes > RF_WATCHED_MAX_BYTES || search->count > RF_INOTIFY_MAX_WATCHED) {
		refuse_all(object, search, refusals);
		return 0;
	}
	object->object.watched = rf_arena_take(arena, bytes + 1);
	if (!object->object.watched)
		return -ENOMEM;
	qsort(search->wanted, search->count, sizeof(search->wanted[0]), compare_numbers);
	lay_out(search, object, refusals);
	object->object.watched_bytes = (uint32_t)bytes;
	return 0;
}

static int look_at(struct rf_fdsearch *search, struct rf_arena *arena, struct rf_fdobject *object,
		   struct rf_refusals *refusals)
{
	int error;

	rf_fdsearch_clear(search);
	error = rf_fdobject_take_lines(object, take_line, search);
	if (error == 0)
		error = rf_fdsearch_find(search);
	if (error == -ENOMEM) {
		refuse_all(object, search, refusals);
		return 0;
	}
	return error < 0 ? error : fill(search, arena, object, refusals);
}

static int look_at_each(struct rf_fdsearch *search, struct rf_fdtable *table,
			struct rf_arena *arena, struct rf_refusals *refusals,
			struct rf_report *report)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int error = 0;

		if (object->object.image.kind == RF_OBJECT_INOTIFY)
			error = look_at(search, arena, object, refusals);
		if (error < 0)
			return rf_report(report, -error, "descriptor %u (%s): what it watches: %m",
					 object->number, object->path);
	}
	return 0;
}

static bool has_any(const struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->object_count; i++)
		if (table->objects[i].object.image.kind == RF_OBJECT_INOTIFY)
			return true;
	return false;
}

int rf_fdobject_look_inotify(struct rf_fdtable *table, struct rf_arena *arena,
			     struct rf_refusals *refusals, struct rf_report *report)
{
	struct rf_fdsearch search;
	int error;

	if (!has_any(table))
		return 0;
	error = rf_fdsearch_begin(&search, table);
	error = error < 0 ? rf_report(report, -error, "no room to look for what inotifies watch")
			  : look_at_each(&search, table, arena, refusals, report);
	rf_fdsearch_end(&search);
	return error;
}
