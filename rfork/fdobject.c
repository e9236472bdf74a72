/* SPDX-License-Identifier: MIT */
/*
 * Finds objects among descriptors and reads what they hold, from /proc/self/fdinfo.  Called by
 * fdtable.c, and by whoever captures a process or reads a stopped one, whose descriptors we have
 * under other numbers.  A process that has none of them pays nothing.
 */
#define _GNU_SOURCE
#include "rfork/fdobject.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "rfork/fdcontent.h"
#include "rfork/io.h"
#include "rfork/object_writer.h"
#include "rfork/sys.h"
#include "rfork/timer_value.h"

#define FDINFO_BYTES 4096u
#define TIMER_TRIES 100
/* While another thread opens and closes descriptors. */
#define CHANGING_TRIES 100
/* Linux 6.9, include/uapi/linux/pidfd.h: PIDFD_THREAD. */
#define PIDFD_IS_THREAD ((uint32_t)O_EXCL)

bool rf_fdobject_is(const struct stat *status, const char *path)
{
	static const char anonymous[] = "anon_inode:";

	/* they are the only ones without a type */
	return !(status->st_mode & S_IFMT) && strncmp(path, anonymous, sizeof(anonymous) - 1) == 0;
}

static uint32_t find_kind(const char *path)
{
	static const struct {
		const char *path;
		enum rf_object_kind kind;
	} known[] = {
		{ "anon_inode:[eventfd]", RF_OBJECT_EVENT },
		{ "anon_inode:[timerfd]", RF_OBJECT_TIMER },
		{ "anon_inode:[signalfd]", RF_OBJECT_SIGNALS },
		{ "anon_inode:[eventpoll]", RF_OBJECT_POLL },
		{ "anon_inode:inotify", RF_OBJECT_INOTIFY },
		{ "anon_inode:[pidfd]", RF_OBJECT_PROCESS },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(path, known[i].path) == 0)
			return known[i].kind;
	return 0;
}

/* The number behind a label that begins a line of fdinfo, see proc_pid_fdinfo(5); false if it is
 * not there. */
static bool find_number(const char *text, const char *label, int base, uint64_t *number)
{
	const char *found = strstr(text, label);

	if (found)
		*number = strtoull(found + strlen(label), NULL, base);
	return found;
}

/* fd: where we have it. */
static long read_info(int fd, char *text, size_t bytes)
{
	char path[48];

	rf_format(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return rf_io_read_file(path, text, bytes);
}

int rf_fdobject_take_lines(const struct rf_fdobject *object, rf_lines_take take, void *context)
{
	char path[48];
	int fd, error;

	rf_format(path, sizeof(path), "/proc/self/fdinfo/%d", object->fd);
	fd = rf_sys_open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	error = rf_lines_read(fd, take, context);
	rf_sys_close(fd);
	return error;
}

bool rf_fdobject_is_process(const char *path)
{
	return find_kind(path) == RF_OBJECT_PROCESS;
}

long rf_fdobject_find_process(int fd)
{
	char text[FDINFO_BYTES];
	uint64_t pid;

	return read_info(fd, text, sizeof(text)) > 0 && find_number(text, "\nPid:\t", 10, &pid)
		       ? (int32_t)pid
		       : 0;
}

/* Whether a descriptor of pidfd_open(2) means the process that goes; of its threads, the first.  In
 * the child of a fork it would mean the parent, which stays. */
static bool is_own_process(const struct rf_fdtable *table, const struct rf_fd *entry)
{
	return table->goes_itself && rf_fdobject_find_process(entry->fd) == table->process &&
	       (!(entry->image.status_flags & PIDFD_IS_THREAD) || table->thread == table->process);
}

int rf_fdobject_classify(const struct rf_fdtable *table, struct rf_fd *entry)
{
	uint32_t kind = find_kind(entry->path);

	if (!kind || (kind == RF_OBJECT_PROCESS && !is_own_process(table, entry)))
		return -ENOTSUP;
	entry->object = kind;
	entry->image.kind = RF_DESCRIPTOR_OBJECT;
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

struct rf_fdobject *rf_fdobject_append(struct rf_fdtable *table, struct rf_arena *arena)
{
	struct rf_fdobject *added = grow(table, arena);

	if (!added)
		return NULL;
	*added = (struct rf_fdobject){ .object.image.index = (uint32_t)table->object_count++ };
	return added;
}

int rf_fdobject_add(struct rf_fdtable *table, struct rf_fd *entry, struct rf_arena *arena)
{
	struct rf_fdobject *added;

	if (entry->image.kind != RF_DESCRIPTOR_OBJECT || entry->image.same_as != RF_IMAGE_NONE)
		return 0;
	if (entry->object == RF_OBJECT_CONTENT)
		return rf_fdcontent_add(table, entry, arena);
	added = rf_fdobject_append(table, arena);
	if (!added)
		return -ENOMEM;
	added->object.image.kind = entry->object;
	added->number = entry->image.number;
	added->fd = entry->fd;
	added->path = entry->path;
	if (entry->object == RF_OBJECT_PROCESS && entry->image.status_flags & PIDFD_IS_THREAD)
		added->object.process.flags = RF_PROCESS_THREAD;
	entry->image.file = added->object.image.index;
	return 0;
}

/* -- what they hold --------------------------------------------------------------------------- */

/* Each reads what an object of one kind holds; 0 or a negative errno: -EPROTO for what cannot be
 * understood. */

static int look_at_event(struct rf_fdobject *object, const char *text)
{
	struct rf_object_event *event = &object->object.event;
	uint64_t is_semaphore = 0;

	if (!find_number(text, "\neventfd-count:", 16, &event->count) ||
	    event->count > RF_EVENT_MAX_COUNT)
		return -EPROTO;
	event->flags = RF_EVENT_UNTOLD;
	/* Linux 6.5 and later say so */
	if (find_number(text, "\neventfd-semaphore:", 10, &is_semaphore))
		event->flags = is_semaphore ? RF_EVENT_SEMAPHORE : 0;
	return 0;
}

/* Nanoseconds until a timer goes off; 0 = not armed. */
static uint64_t read_left(int fd, uint64_t *interval_ns)
{
	struct itimerspec value = { 0 };

	rf_syscall(SYS_timerfd_gettime, fd, &value);
	*interval_ns = rf_timer_timespec_ns(&value.it_interval);
	return rf_timer_timespec_ns(&value.it_value);
}

static int64_t read_wall_clock(void)
{
	struct timespec now = { 0 };

	rf_syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	return (int64_t)rf_timer_timespec_ns(&now);
}

/*
 * To ask how much time is left counts what has expired, too, which fdinfo tells then: both belong
 * together unless it has gone off between two such questions.
 */
static int look_at_timer(struct rf_fdobject *object, char *text, size_t bytes)
{
	struct rf_object_timer *timer = &object->object.timer;
	uint64_t clock, flags, before_ns, left_ns;
	bool is_armed = false;

	for (int tries = 0; tries < TIMER_TRIES; tries++) {
		long length;

		before_ns = read_left(object->fd, &timer->interval_ns);
		length = read_info(object->fd, text, bytes);
		if (length < 0)
			return (int)length;
		left_ns = read_left(object->fd, &timer->interval_ns);
		object->looked_ns = rf_io_now_ns();
		is_armed |= before_ns || left_ns;
		if (left_ns <= before_ns && !left_ns == !before_ns)
			break;
	}
	if (!find_number(text, "\nclockid: ", 10, &clock) ||
	    !find_number(text, "\nticks: ", 10, &timer->expirations) ||
	    !find_number(text, "\nsettime flags: ", 8, &flags))
		return -EPROTO;
	/* one that goes off all the time has been seen to be armed */
	if (!left_ns && is_armed && timer->interval_ns)
		left_ns = 1;
	timer->clock = (int32_t)clock;
	timer->flags = (uint32_t)flags;
	timer->remaining_ns = left_ns;
	timer->due_ns = 0;
	if (left_ns && flags & RF_TIMER_ABSOLUTE &&
	    (timer->clock == CLOCK_REALTIME || timer->clock == CLOCK_REALTIME_ALARM))
		timer->due_ns = read_wall_clock() + (int64_t)left_ns;
	return 0;
}

static int look_at_signals(struct rf_fdobject *object, const char *text)
{
	return find_number(text, "\nsigmask:", 16, &object->object.signals.mask) ? 0 : -EPROTO;
}

static int look_at(struct rf_fdobject *object)
{
	char text[FDINFO_BYTES];
	long length = 0;

	switch (object->object.image.kind) {
	case RF_OBJECT_TIMER:
		return look_at_timer(object, text, sizeof(text));
	case RF_OBJECT_CONTENT: /* when they are opened to be sent */
	case RF_OBJECT_POLL:	/* all of them together */
	case RF_OBJECT_INOTIFY:
	case RF_OBJECT_PROCESS:
		return 0;
	}
	length = read_info(object->fd, text, sizeof(text));
	if (length < 0)
		return (int)length;
	return object->object.image.kind == RF_OBJECT_EVENT ? look_at_event(object, text)
							    : look_at_signals(object, text);
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

/* Whether another thread has closed the descriptor since they were listed.  What it may have opened
 * under that number is as what is opened later. */
static bool is_gone(const struct rf_fdobject *object)
{
	char link[48], path[64];
	long length;

	rf_format(link, sizeof(link), "/proc/self/fd/%d", object->fd);
	length = rf_syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof(path) - 1);
	if (length < 0)
		return length == -ENOENT;
	path[length] = '\0';
	return strcmp(path, object->path) != 0;
}

/* Gives the object to the first duplicate of its descriptor; false if it has none. */
static bool pass_on(struct rf_fdtable *table, struct rf_fdobject *object)
{
	const uint32_t number = object->number;

	for (size_t i = 0; i < table->count; i++) {
		struct rf_fd *entry = &table->entries[i];

		if (entry->image.same_as != number)
			continue;
		entry->image.same_as = object->number;
		if (object->number != number)
			continue;
		entry->image.same_as = RF_IMAGE_NONE;
		entry->image.file = object->object.image.index;
		object->number = entry->image.number;
		object->fd = entry->fd;
	}
	return object->number != number;
}

/* Without any descriptor the object is empty, and no restorer makes it. */
static int leave_out(struct rf_fdtable *table, struct rf_fdobject *object)
{
	const struct rf_fd *end = table->entries + table->count;
	struct rf_fd *entry =
		table->entries + (rf_fdobject_find_entry(table, object->number) - table->entries);
	const bool has_another = pass_on(table, object);

	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof(*entry));
	table->count--;
	if (has_another)
		return look_at(object);
	object->object = (struct rf_object_state){ .image = object->object.image };
	return 0;
}

static int look_at_all(struct rf_fdtable *table, struct rf_report *report)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_fdobject *object = &table->objects[i];
		int error = look_at(object);

		/* it may be another of its kind meanwhile */
		for (int tries = 0; error < 0 && tries < CHANGING_TRIES; tries++)
			error = is_gone(object) ? leave_out(table, object) : look_at(object);
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

	if (!table->object_count)
		return 0;
	dumpable = become_dumpable();
	error = look_at_all(table, report);
	if (error == 0)
		error = rf_fdobject_look_polls(table, arena, refusals, report);
	if (error == 0)
		error = rf_fdobject_look_inotify(table, arena, refusals, report);
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

const struct rf_fd *rf_fdobject_find_entry(const struct rf_fdtable *table, uint32_t number)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table->entries[middle].image.number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->count && table->entries[low].image.number == number
		       ? &table->entries[low]
		       : NULL;
}

bool rf_fdobject_has_unread(const struct rf_fdobject *object)
{
	int bytes = 0;

	return object->object.image.kind == RF_OBJECT_INOTIFY &&
	       rf_sys_ioctl(object->fd, FIONREAD, &bytes) == 0 && bytes > 0;
}

void rf_fdobject_keep_watches(struct rf_fdtable *table)
{
	for (size_t i = 0; i < table->object_count; i++) {
		struct rf_object_state *object = &table->objects[i].object;
		uint32_t kept = 0;

		for (uint32_t j = 0; j < object->watch_count; j++)
			if (rf_fdobject_find_entry(table, object->watches[j].descriptor))
				object->watches[kept++] = object->watches[j];
		object->watch_count = kept;
	}
}

/* -- into the image ---------------------------------------------------------------------------- */

int rf_fdobject_write(const struct rf_fdtable *table, struct rf_image_writer *writer,
		      bool is_at_rest)
{
	int error = 0;

	for (size_t i = 0; i < table->object_count && error >= 0; i++) {
		struct rf_object_state object = table->objects[i].object;

		if (object.image.kind == RF_OBJECT_TIMER && !is_at_rest && !object.timer.due_ns)
			rf_timer_pass(&object.timer,
				      (uint64_t)(rf_io_now_ns() - table->objects[i].looked_ns));
		error = rf_object_write(&object, writer);
	}
	return error;
}

int rf_fdobject_write_watches(const struct rf_fdtable *table, struct rf_image_writer *writer)
{
	int error = 0;

	for (size_t i = 0; i < table->object_count && error >= 0; i++)
		error = rf_object_write_watches(&table->objects[i].object, writer);
	return error;
}
