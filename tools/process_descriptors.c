/* SPDX-License-Identifier: MIT */
/*
 * The descriptors of a stopped process: duplicated to us, judged as those of a checkpoint, and
 * closed again.  Called by process_reader.c.  Nothing is read from them but what stays in them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/arena.h"
#include "rfork/fdcontent.h"
#include "rfork/fdobject.h"
#include "rfork/fdtable.h"
#include "rfork/pipes.h"
#include "rfork/terminal.h"
#include "tools/process_internal.h"

#define FDINFO_BYTES ((size_t)256 << 10)
#define TERMINAL_FIELD 7 /* of /proc/PID/stat: tty_nr */

/* What stays the same while descriptors are looked at. */
struct look {
	struct rf_process *process;
	struct rf_arena arena;
	struct rf_fd_copy *copies;
	size_t count, capacity;
	struct rf_fdtable table;
	struct rf_pipes pipes;
	char *text; /* FDINFO_BYTES */
	struct rf_report *report;
};

/* -- duplicates -------------------------------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
	const struct rf_fd_copy *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static int add_number(struct look *look, int number)
{
	if (look->count == RF_IMAGE_MAX_DESCRIPTORS)
		return rf_report(look->report, ENOTSUP, "more than %u open descriptors",
				 RF_IMAGE_MAX_DESCRIPTORS);
	if (look->count == look->capacity) {
		size_t capacity = look->capacity ? 2 * look->capacity : 64;
		struct rf_fd_copy *copies = reallocarray(look->copies, capacity, sizeof(*copies));

		if (!copies)
			return rf_report(look->report, ENOMEM, "no memory for the descriptors");
		look->copies = copies;
		look->capacity = capacity;
	}
	look->copies[look->count++] = (struct rf_fd_copy){ .number = number, .fd = -1 };
	return 0;
}

static int list_numbers(struct look *look)
{
	char path[32];
	struct dirent *entry;
	DIR *directory;
	int error = 0;

	rf_format(path, sizeof(path), "/proc/%d/fd", (int)look->process->tracees.pid);
	directory = opendir(path);
	if (!directory)
		return rf_report(look->report, errno, "%s: %m", path);
	while (error == 0 && (entry = readdir(directory)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			error = add_number(look, atoi(entry->d_name));
	closedir(directory);
	qsort(look->copies, look->count, sizeof(*look->copies), compare_numbers);
	return error;
}

/* /proc/PID/fdinfo/N; "" if it cannot be read. */
static const char *read_info(struct look *look, uint32_t number)
{
	char name[32];

	rf_format(name, sizeof(name), "fdinfo/%u", number);
	if (rf_process_read(look->process->tracees.pid, name, look->text, FDINFO_BYTES) < 0)
		look->text[0] = '\0';
	return look->text;
}

static bool is_cloexec(struct look *look, uint32_t number)
{
	const char *found = strstr(read_info(look, number), "flags:");

	return found && strtoul(found + sizeof("flags:") - 1, NULL, 8) & O_CLOEXEC;
}

/* We hold as many descriptors as the process for a moment. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int duplicate_all(struct look *look)
{
	pid_t pid = look->process->tracees.pid;
	int pidfd = pidfd_open(pid, 0);
	int error = 0;

	if (pidfd < 0)
		return rf_report(look->report, errno, "process %d: %m", (int)pid);
	raise_limit();
	for (size_t i = 0; i < look->count && error == 0; i++) {
		struct rf_fd_copy *copy = &look->copies[i];

		copy->fd = pidfd_getfd(pidfd, copy->number, 0);
		if (copy->fd < 0)
			error = rf_report(look->report, errno,
					  "descriptor %d of process %d cannot be looked at: %m",
					  copy->number, (int)pid);
		copy->is_cloexec = is_cloexec(look, (uint32_t)copy->number);
	}
	close(pidfd);
	return error;
}

/* -- what cannot be carried -------------------------------------------------------------------- */

/* The controlling terminal's device, as the kernel encodes it. */
static void find_terminal(const struct look *look, struct rf_terminal *terminal)
{
	char text[1024], *next = NULL;

	*terminal = (struct rf_terminal){ .standard = -1, .is_controlling = true };
	if (rf_process_read(look->process->tracees.pid, "stat", text, sizeof(text)) > 0)
		next = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; next && field < TERMINAL_FIELD; field++)
		next = strchr(next + 1, ' ');
	if (next)
		terminal->device = (uint32_t)strtol(next, NULL, 10);
}

/* Whether it is one that a restarted process can be given: its standard streams and terminal come
 * from who starts it, its files have paths, and pipes inside it are made again. */
static bool is_carried(const struct rf_fd *entry)
{
	const struct rf_image_descriptor *image = &entry->image;
	uint32_t first = image->same_as == RF_IMAGE_NONE ? image->number : image->same_as;

	return image->kind != RF_DESCRIPTOR_RELAY || first < RF_IMAGE_STANDARD_CHANNELS ||
	       (image->stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL;
}

static const struct rf_fd *find_entry(const struct look *look, int number)
{
	for (size_t i = 0; i < look->table.count; i++)
		if ((int)look->table.entries[i].image.number == number)
			return &look->table.entries[i];
	return NULL;
}

/* "5 (socket:[4711])" */
static void name_descriptor(const struct look *look, int number, char *name, size_t bytes)
{
	char link[64], path[256] = "?";
	ssize_t length;

	rf_format(link, sizeof(link), "/proc/%d/fd/%d", (int)look->process->tracees.pid, number);
	length = readlink(link, path, sizeof(path) - 1);
	if (length >= 0)
		path[length] = '\0';
	rf_format(name, bytes, "%d (%s)", number, path);
}

/* All of them in one sentence, as far as there is room. */
static int refuse(struct look *look, const int *numbers, size_t count)
{
	char names[RF_REPORT_BYTES - 128];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		char name[300];

		name_descriptor(look, numbers[i], name, sizeof(name));
		if (used + strlen(name) + sizeof(", and others") > sizeof(names)) {
			rf_format(names + used, sizeof(names) - used, "%sothers",
				  i ? ", and " : "");
			break;
		}
		used += rf_format(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", name);
	}
	return rf_report(look->report, ENOTSUP,
			 "descriptor%s %s cannot be carried; --close-others closes %s",
			 count > 1 ? "s" : "", names, count > 1 ? "them" : "it");
}

static int lose(struct look *look, const int *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[300];

		name_descriptor(look, numbers[i], name, sizeof(name));
		if (rf_source_lose(look->process->source, "descriptor %s", name) < 0)
			return rf_report(look->report, ENOMEM, "no memory");
	}
	return 0;
}

/* Whether it watches what no descriptor leads to any more. */
static bool watches_forgotten(const struct look *look, const struct rf_fd *entry)
{
	return entry->image.kind == RF_DESCRIPTOR_OBJECT && entry->image.same_as == RF_IMAGE_NONE &&
	       look->table.objects[entry->image.file].forgotten;
}

/* What fdtable.c has left out, and streams to other processes. */
static int judge(struct look *look)
{
	int *numbers = calloc(look->count + 1, sizeof(*numbers));
	size_t count = 0;
	int error = 0;

	if (!numbers)
		return rf_report(look->report, ENOMEM, "no memory");
	for (size_t i = 0; i < look->count; i++) {
		const struct rf_fd *entry = find_entry(look, look->copies[i].number);

		if (!entry || !is_carried(entry) || watches_forgotten(look, entry))
			numbers[count++] = look->copies[i].number;
	}
	if (count)
		error = look->process->options.close_others ? lose(look, numbers, count)
							    : refuse(look, numbers, count);
	free(numbers);
	return error;
}

/* -- into the source --------------------------------------------------------------------------- */

static int add_descriptor(struct look *look, const struct rf_fd *entry)
{
	struct rf_image *image = &look->process->source->image;
	struct rf_image_descriptor *added = &image->descriptors[image->descriptors_read++];
	long file;

	*added = entry->image;
	if (!look->process->options.close_others)
		added->flags &= (uint16_t)~RF_DESCRIPTOR_MAY_CLOSE;
	if (added->kind == RF_DESCRIPTOR_RELAY && added->same_as == RF_IMAGE_NONE)
		image->channels[added->file / 64] |= UINT64_C(1) << added->file % 64;
	if (added->kind != RF_DESCRIPTOR_FILE || added->same_as != RF_IMAGE_NONE)
		return 0;
	file = rf_process_intern_file(look->process, &entry->identity, entry->path);
	if (file < 0)
		return rf_report(look->report, (int)-file, "too many files: %m");
	added->file = (uint32_t)file;
	return 0;
}

static int add_pipe(struct look *look, const struct rf_pipe *pipe)
{
	struct rf_image *image = &look->process->source->image;
	struct rf_reader_pipe *added = &image->pipes[image->pipe_count];
	uint32_t lengths[RF_PIPE_MAX_PACKETS];
	unsigned char *contents = malloc(RF_PIPE_MAX_CAPACITY);
	size_t table_bytes;
	int error = contents ? rf_pipes_copy(pipe, &added->image, contents, lengths) : -ENOMEM;

	if (error == 0) {
		table_bytes = added->image.packets * sizeof(lengths[0]);
		added->lengths = malloc(table_bytes + added->image.bytes + 1);
		error = added->lengths ? 0 : -ENOMEM;
	}
	if (error == 0) {
		memcpy(added->lengths, lengths, table_bytes);
		memcpy((unsigned char *)added->lengths + table_bytes, contents, added->image.bytes);
		added->contents = (unsigned char *)added->lengths + table_bytes;
		added->image.index = image->pipe_count++;
		added->used_ends = RF_STREAM_READ | RF_STREAM_WRITE;
	}
	free(contents);
	return error < 0 ? rf_report(look->report, -error, "the pipe of descriptor %u: %m",
				     pipe->numbers[0])
			 : 0;
}

/* Takes from the table what is not carried. */
static void keep_carried(struct look *look)
{
	struct rf_fdtable *table = &look->table;
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++)
		if (is_carried(&table->entries[i]))
			table->entries[kept++] = table->entries[i];
	table->count = kept;
	rf_fdobject_keep_watches(table);
}

static int add_watches(struct rf_image *image, struct rf_object_state *object)
{
	size_t bytes = object->watch_count * sizeof(object->watches[0]);
	struct rf_image_watch *copy = malloc(bytes + 1);

	if (!copy)
		return -ENOMEM;
	if (bytes)
		memcpy(copy, object->watches, bytes);
	object->watches = copy;
	if (object->watched_bytes) {
		void *watched = malloc(object->watched_bytes);

		if (!watched) {
			free(copy);
			return -ENOMEM;
		}
		object->watched = memcpy(watched, object->watched, object->watched_bytes);
	} else {
		object->watched = NULL;
	}
	image->watch_count += object->watch_count;
	return 0;
}

/* Where bytes of the file are, in a copy that is the source's from now on. */
static int add_content(struct look *look, const struct rf_fdobject *from,
		       struct rf_object_state *object)
{
	struct rf_source *source = look->process->source;
	struct rf_source_content content = { .object = object->image.index,
					     .fd = rf_source_own(source, from->content->fd) };
	uint64_t start = 0, end;
	int error = content.fd < 0 ? content.fd : 0;

	object->name = strdup(object->name);
	if (!object->name)
		return -ENOMEM;
	for (; error == 0 && rf_fdcontent_find_data(from, &start, &end); start = end) {
		content.offset = content.at = start;
		content.bytes = end - start;
		error = rf_source_add_content(source, &content);
	}
	from->content->is_ours = false;
	return error;
}

static int add_object(struct look *look, const struct rf_fdobject *from)
{
	struct rf_process *process = look->process;
	struct rf_image *image = &process->source->image;
	struct rf_object_state object = from->object;
	uint32_t index = image->objects_read;
	int error = 0;

	if (rf_fdobject_has_unread(from))
		error = rf_source_lose(process->source,
				       "descriptor %u (inotify): events that have not been read",
				       from->number);
	if (from->content) {
		process->contents[index] = (struct rf_process_content){ from->content->map_device,
									from->content->map_inode };
		error = add_content(look, from, &object);
	}
	if (error == 0)
		error = add_watches(image, &object);
	image->objects[index] = (struct rf_reader_object){ .object = object, .is_used = true };
	if (error == 0)
		image->head.objects = ++image->objects_read;
	return error < 0 ? rf_report(look->report, -error, "%s: %m", from->path) : 0;
}

static int add_objects(struct look *look)
{
	int error = 0;

	for (size_t i = 0; i < look->table.object_count && error == 0; i++)
		error = add_object(look, &look->table.objects[i]);
	return error;
}

/* Of this moment: the process goes on before all is written. */
static int copy_contents(struct look *look)
{
	unsigned char *buffer = malloc(RF_CONTENT_MAX_BYTES);
	int error = buffer ? rf_fdcontent_open(&look->table, look->report)
			   : rf_report(look->report, ENOMEM, "no memory for the files");

	if (error == 0)
		error = rf_fdcontent_copy(&look->table, STDERR_FILENO + 1, buffer, look->report);
	free(buffer);
	return error;
}

/* An ancestor of another user could have them, too, and then still has: but both ends are seldom
 * inherited. */
static int lose_certainty(struct look *look)
{
	for (size_t i = 0; i < look->pipes.count; i++)
		if (rf_source_lose(
			    look->process->source,
			    "whether the pipe of descriptors %u and %u is also another user's process's",
			    look->pipes.entries[i].numbers[0],
			    look->pipes.entries[i].numbers[1]) < 0)
			return rf_report(look->report, ENOMEM, "no memory");
	return 0;
}

/* -- locks ------------------------------------------------------------------------------------- */

/* "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 0 EOF", see proc_pid_fdinfo(5); false for a lease. */
static bool parse_lock(const char *line, struct rf_image_lock *lock)
{
	char kind[16], type[16], end[32];
	unsigned long long start;

	if (sscanf(line, "%*d: %15s %*s %15s %*s %*s %llu %31s", kind, type, &start, end) != 4)
		return false;
	if (strcmp(kind, "POSIX") == 0)
		lock->kind = RF_LOCK_RECORD;
	else if (strcmp(kind, "OFDLCK") == 0)
		lock->kind = RF_LOCK_OPEN_FILE;
	else if (strcmp(kind, "FLOCK") == 0)
		lock->kind = RF_LOCK_WHOLE;
	else
		return false;
	lock->type = strcmp(type, "WRITE") == 0 ? RF_LOCK_EXCLUSIVE : RF_LOCK_SHARED;
	if (lock->kind == RF_LOCK_WHOLE)
		return true;
	lock->start = start;
	lock->bytes = strcmp(end, "EOF") == 0 ? 0 : strtoull(end, NULL, 10) - start + 1;
	return true;
}

static int add_lock(struct look *look, const struct rf_image_lock *lock)
{
	struct rf_source *source = look->process->source;
	struct rf_image_lock *locks;

	if (source->lock_count == RF_IMAGE_MAX_LOCKS)
		return rf_report(look->report, ENOTSUP, "more than %u locks on files",
				 RF_IMAGE_MAX_LOCKS);
	locks = reallocarray(source->locks, source->lock_count + 1, sizeof(*locks));
	if (!locks)
		return rf_report(look->report, ENOMEM, "no memory for locks on files");
	source->locks = locks;
	locks[source->lock_count++] = *lock;
	return 0;
}

static int read_locks(struct look *look, const struct rf_image_descriptor *image)
{
	const char *line = strstr(read_info(look, image->number), "\nlock:");
	int error = 0;

	for (; line && error == 0; line = strstr(line + 1, "\nlock:")) {
		struct rf_image_lock lock = { .descriptor = image->number };

		if (parse_lock(line + sizeof("\nlock:") - 1, &lock))
			error = add_lock(look, &lock);
		else if (rf_source_lose(look->process->source, "a lease on descriptor %u",
					image->number) < 0)
			error = rf_report(look->report, ENOMEM, "no memory");
	}
	return error;
}

/* -- the whole --------------------------------------------------------------------------------- */

static int fill_source(struct look *look)
{
	struct rf_image *image = &look->process->source->image;
	int error = 0;

	image->descriptors = calloc(look->table.count + 1, sizeof(*image->descriptors));
	image->pipes = calloc(look->pipes.count + 1, sizeof(*image->pipes));
	image->objects = calloc(look->table.object_count + 1, sizeof(*image->objects));
	look->process->contents =
		calloc(look->table.object_count + 1, sizeof(*look->process->contents));
	if (!image->descriptors || !image->pipes || !image->objects || !look->process->contents)
		return rf_report(look->report, ENOMEM, "no memory for the descriptors");
	error = copy_contents(look);
	if (error == 0)
		error = add_objects(look);
	for (size_t i = 0; i < look->pipes.count && error == 0; i++)
		error = add_pipe(look, &look->pipes.entries[i]);
	for (size_t i = 0; i < look->table.count && error == 0; i++) {
		const struct rf_fd *entry = &look->table.entries[i];

		error = add_descriptor(look, entry);
		if (error == 0 && entry->image.kind == RF_DESCRIPTOR_FILE &&
		    entry->image.same_as == RF_IMAGE_NONE)
			error = read_locks(look, &entry->image);
	}
	image->head.descriptors = image->descriptors_read;
	return error;
}

static int look_at_all(struct look *look)
{
	struct rf_terminal terminal;
	int error = list_numbers(look);

	if (error == 0)
		error = duplicate_all(look);
	if (error < 0)
		return error;
	find_terminal(look, &terminal);
	look->table.goes_itself = true;
	/* what it leaves out is ours to refuse, all of it at once */
	error = rf_fdtable_collect_copies(&look->table, &look->arena, look->process->tracees.pid,
					  look->copies, look->count,
					  RF_FDTABLE_AT_REST | RFORK_COPY_FILES, NULL, &terminal,
					  look->report);
	if (error < 0)
		return error;
	if (!rf_pipes_find_of(&look->pipes, &look->table, &look->arena, look->process->tracees.pid))
		error = lose_certainty(look);
	if (error == 0)
		error = judge(look);
	if (error < 0)
		return error;
	keep_carried(look);
	return fill_source(look);
}

int rf_process_read_descriptors(struct rf_process *process, struct rf_report *report)
{
	struct look look = { .process = process, .report = report };
	int error = rf_arena_map(&look.arena, RF_ARENA_LARGE_BYTES);

	if (error < 0)
		return rf_report(report, -error, "no memory for the descriptors");
	look.text = malloc(FDINFO_BYTES);
	error = look.text ? look_at_all(&look)
			  : rf_report(report, ENOMEM, "no memory for the descriptors");
	for (size_t i = 0; i < look.count; i++)
		if (look.copies[i].fd >= 0)
			close(look.copies[i].fd);
	free(look.copies);
	free(look.text);
	rf_arena_unmap(&look.arena);
	return error;
}
