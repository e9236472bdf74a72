/* SPDX-License-Identifier: MIT */
/*
 * Finds objects among descriptors and reads what they hold, from /proc/self/fdinfo.  Called by
 * fdtable.c, and by whoever captures a process or reads a stopped one, whose descriptors we have under
 * other numbers.  A process that has none of them pays nothing.
 */
#define _GNU_SOURCE
#include "rfork/fdobject.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "rfork/io.h"
#include "rfork/object_writer.h"
#include "rfork/sys.h"

#define FDINFO_BYTES 4096u

uint32_t rf_fdobject_kind(const struct stat *status, const char *path)
{
	static const struct {
		const char *path;
		enum rf_object_kind kind;
	} known[] = {
		{ "anon_inode:[eventfd]", RF_OBJECT_EVENT },
	};

	/* they are the only ones without a type */
	if (status->st_mode & S_IFMT)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(path, known[i].path) == 0)
			return known[i].kind;
	return 0;
}

/* Room for one more; NULL if there is none. */
static struct rf_fdobject *grow(struct rf_fdtable *table, struct rf_arena *arena)
{
	size_t capacity = table->object_capacity ? 2 * table->object_capacity : 16;
	struct rf_fdobject *grown;

	if (table->object_count < table->object_capacity)
		return &table->objects[table->object_count];
	grown = rf_arena_take(arena, capacity * sizeof(*grown));
	if (!grown)
		return NULL;
	if (table->object_count)
		memcpy(grown, table->objects, table->object_count * sizeof(*grown));
	table->objects = grown;
	table->object_capacity = capacity;
	return &grown[table->object_count];
}

int rf_fdobject_add(struct rf_fdtable *table, struct rf_fd *entry, struct rf_arena *arena)
{
	struct rf_fdobject *added;

	if (entry->image.kind != RF_DESCRIPTOR_OBJECT || entry->image.same_as != RF_IMAGE_NONE)
		return 0;
	added = grow(table, arena);
	if (!added)
		return -ENOMEM;
	*added = (struct rf_fdobject){
		.object.image = { .index = (uint32_t)table->object_count, .kind = entry->object },
		.number = entry->image.number,
		.fd = entry->fd,
		.path = entry->path,
	};
	entry->image.file = (uint32_t)table->object_count++;
	return 0;
}

/* -- what they hold --------------------------------------------------------------------------- */

/* The number behind a label that begins a line of fdinfo, see proc_pid_fdinfo(5); false if it is not
 * there. */
static bool find_number(const char *text, const char *label, int base, uint64_t *number)
{
	const char *found = strstr(text, label);

	if (found)
		*number = strtoull(found + strlen(label), NULL, base);
	return found;
}

/* Each reads what an object of one kind holds; 0 or a negative errno: -EPROTO for what cannot be
 * understood. */

static int look_at_event(struct rf_fdobject *object, const char *text)
{
	struct rf_object_event *event = &object->object.event;
	uint64_t is_semaphore = 0;

	if (!find_number(text, "\neventfd-count:", 16, &event->count) ||
	    event->count > RF_EVENT_MAX_COUNT)
		return -EPROTO;
	/* Linux 6.5 and later say so */
	find_number(text, "\neventfd-semaphore:", 10, &is_semaphore);
	event->flags = is_semaphore ? RF_EVENT_SEMAPHORE : 0;
	return 0;
}

static int look_at(struct rf_fdobject *object)
{
	char path[48], text[FDINFO_BYTES];
	long length;

	rf_format(path, sizeof(path), "/proc/self/fdinfo/%d", object->fd);
	length = rf_io_read_file(path, text, sizeof(text));
	if (length < 0)
		return (int)length;
	switch (object->object.image.kind) {
	case RF_OBJECT_EVENT:
		return look_at_event(object, text);
	}
	return -EPROTO;
}

/* A process that has changed its uid may not open its own /proc files otherwise.  Returns what it
 * was. */
static int become_dumpable(void)
{
	int dumpable = rf_sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

	if (dumpable != 1)
		rf_sys_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return dumpable;
}

static void become_as_before(int dumpable)
{
	if (dumpable != 1)
		rf_sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static int look_at_all(struct rf_fdtable *table, struct rf_report *report)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int error = look_at(object);

		if (error < 0)
			return rf_report(report, -error, "descriptor %u (%s): what it holds: %m",
					 object->number, object->path);
	}
	return 0;
}

int rf_fdobject_look(struct rf_fdtable *table, struct rf_arena *arena, struct rf_refusals *refusals,
		     struct rf_report *report)
{
	int dumpable, error;

	(void)arena;
	(void)refusals;
	if (!table->object_count)
		return 0;
	dumpable = become_dumpable();
	error = look_at_all(table, report);
	become_as_before(dumpable);
	return error;
}

void rf_fdobject_renew(struct rf_fdtable *table)
{
	int dumpable;

	if (!table->object_count)
		return;
	dumpable = become_dumpable();
	for (size_t i = 0; i < table->object_count; i++)
		look_at(&table->objects[i]);
	become_as_before(dumpable);
}

int rf_fdobject_write(const struct rf_fdtable *table, struct rf_image_writer *writer)
{
	int error = 0;

	for (size_t i = 0; i < table->object_count && error >= 0; i++)
		error = rf_object_write(&table->objects[i].object, writer);
	return error;
}
