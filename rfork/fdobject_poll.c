/* SPDX-License-Identifier: MIT */
/*
 * What the epolls of a process watch, with the words that it has given with each.  Called by
 * fdobject.c in the caller, or in undump, which has duplicates of another's descriptors.
 *
 * The kernel knows what is watched by the open file and the number that it had when it was added.
 * That number may have been closed since, and be another's, while the file is open under a third.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/kcmp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rfork/fdobject.h"
#include "rfork/sys.h"

#define NUMBERS (RF_IMAGE_MAX_FD + 1)

/* What stays the same while they are looked at. */
struct look {
	struct rf_fdtable *table;
	struct rf_arena *arena;
	struct rf_refusals *refusals;
	uint64_t *seen; /* a bit for each number that the present one has watched */
	struct rf_fdobject *poll;
	uint32_t capacity; /* of its watches */
	uint32_t total;	   /* of all watches */
};

/* A line of fdinfo: "tfd: 5 events: 19 data: 5 pos:0 ino:40e sdev:10". */
struct line {
	uint32_t number;
	uint32_t events;
	uint64_t data;
	uint64_t inode;
	uint32_t nth; /* with this number, from 0 on */
};

static uint64_t take(const char **next, const char *label, int base)
{
	const char *found = strstr(*next, label);
	char *end;
	uint64_t value;

	if (!found)
		return 0;
	value = strtoull(found + strlen(label), &end, base);
	*next = end;
	return value;
}

static void parse(struct line *line, const char *text)
{
	line->number = (uint32_t)take(&text, "tfd:", 10);
	line->events = (uint32_t)take(&text, "events:", 16);
	line->data = take(&text, "data:", 16);
	line->inode = take(&text, "ino:", 16);
}

/* How many with this number came before: the kernel counts them, too. */
static uint32_t count_before(struct look *look, uint32_t number)
{
	uint64_t *word = &look->seen[number / 64], bit = UINT64_C(1) << number % 64;
	uint32_t count = 0;

	if (!(*word & bit)) {
		*word |= bit;
		return 0;
	}
	for (uint32_t i = 0; i < look->poll->object.watch_count; i++)
		count += look->poll->object.watches[i].number == number;
	return count;
}

/* Whether a descriptor, where we have it, leads to what a line is about. */
static bool is_watched(const struct look *look, const struct line *line, const struct rf_fd *entry)
{
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)look->poll->fd,
					.tfd = line->number,
					.toff = line->nth };
	long pid = rf_syscall(SYS_getpid);
	long order = rf_syscall(SYS_kcmp, pid, pid, KCMP_EPOLL_TFD, entry->fd, &slot);
	struct stat status;

	if (order >= 0 || order == -ENOENT)
		return order == 0;
	/* where it cannot be asked, what has the number is taken for it, unless that is clearly
	 * something else */
	return entry->image.number == line->number && rf_sys_fstat(entry->fd, &status) == 0 &&
	       status.st_ino == line->inode;
}

/* The descriptor that leads to it: nearly always the one that has the number; else the first;
 * NULL if there is none. */
static const struct rf_fd *find_watched(const struct look *look, const struct line *line)
{
	const struct rf_fd *entry = rf_fdobject_find_entry(look->table, line->number);

	if (entry && is_watched(look, line, entry))
		return entry;
	for (size_t i = 0; i < look->table->count; i++) {
		entry = &look->table->entries[i];
		if (entry->image.same_as == RF_IMAGE_NONE && is_watched(look, line, entry))
			return entry;
	}
	return NULL;
}

static int add_watch(struct look *look, const struct line *line, uint32_t descriptor)
{
	struct rf_object_state *object = &look->poll->object;

	if (object->watch_count == look->capacity) {
		uint32_t capacity = look->capacity ? 2 * look->capacity : 16;
		struct rf_image_watch *grown =
			rf_arena_take(look->arena, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		if (object->watch_count)
			memcpy(grown, object->watches, object->watch_count * sizeof(*grown));
		object->watches = grown;
		look->capacity = capacity;
	}
	object->watches[object->watch_count++] = (struct rf_image_watch){
		.number = line->number,
		.descriptor = descriptor,
		.events = line->events,
		.data = line->data,
	};
	return ++look->total > RF_IMAGE_MAX_WATCHES ? -E2BIG : 0;
}

/* Of what is open and does not travel, enough has been said. */
static bool is_open(const struct rf_fdtable *table, uint32_t number)
{
	for (size_t i = 0; i < table->number_count; i++)
		if (table->numbers[i] == (int)number)
			return !rf_fdobject_find_entry(table, number);
	return false;
}

static void refuse(struct look *look, const struct line *line)
{
	if (is_open(look->table, line->number))
		return;
	look->poll->forgotten++;
	if (!look->refusals)
		return;
	rf_refuse(look->refusals,
		  "descriptor %u (%s): it watches what was descriptor %u, to which none leads any "
		  "more",
		  look->poll->number, look->poll->path, line->number);
	look->refusals->closable++;
}

static int take_line(void *context, const char *text)
{
	struct look *look = context;
	const struct rf_fd *watched;
	struct line line = { 0 };

	if (strncmp(text, "tfd:", 4) != 0)
		return 0;
	parse(&line, text);
	if (line.number > RF_IMAGE_MAX_FD)
		return -EPROTO;
	line.nth = count_before(look, line.number);
	watched = find_watched(look, &line);
	if (!watched)
		refuse(look, &line);
	return add_watch(look, &line, watched ? watched->image.number : RF_IMAGE_NONE);
}

/* Leaves out what no descriptor leads to, and makes ready for the next one. */
static void finish(struct look *look)
{
	struct rf_object_state *object = &look->poll->object;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < object->watch_count; i++) {
		const struct rf_image_watch *watch = &object->watches[i];

		look->seen[watch->number / 64] = 0;
		if (watch->descriptor != RF_IMAGE_NONE)
			object->watches[kept++] = *watch;
	}
	object->watch_count = kept;
}

static int look_at_poll(struct look *look, struct rf_fdobject *poll)
{
	int error;

	look->poll = poll;
	look->capacity = 0;
	error = rf_fdobject_take_lines(poll, take_line, look);
	finish(look);
	return error;
}

int rf_fdobject_look_polls(struct rf_fdtable *table, struct rf_arena *arena,
			   struct rf_refusals *refusals, struct rf_report *report)
{
	struct look look = { .table = table, .arena = arena, .refusals = refusals };

	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int error;

		if (object->object.image.kind != RF_OBJECT_POLL)
			continue;
		if (!look.seen)
			look.seen = rf_arena_take(arena, NUMBERS / 8);
		error = look.seen ? look_at_poll(&look, object) : -ENOMEM;
		if (error < 0)
			return rf_report(report, -error, "descriptor %u (%s): what it watches: %m",
					 object->number, object->path);
	}
	return 0;
}
