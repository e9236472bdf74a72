/* SPDX-License-Identifier: MIT */
/*
 * Stops a process, fills a source from it in the order of an image, and lets it go.  Called by
 * undump.
 */
#define _GNU_SOURCE
#include "tools/process_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/io.h"
#include "rfork/machine_facts.h"
#include "rfork/procstate.h"
#include "tools/process_internal.h"

#define PAGE_BYTES 4096u
/* Of the list of mappings: grows until it fits. */
#define MAPS_BYTES ((size_t)1 << 20)
#define MAPS_MAX_BYTES ((size_t)256 << 20)

long rf_process_read(pid_t pid, const char *name, char *buffer, size_t bytes)
{
	char path[64];

	rf_format(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return rf_io_read_file(path, buffer, bytes);
}

static bool is_file(const void *context, uint32_t number, const struct rf_image_file *identity,
		    const char *path)
{
	const struct rf_image *image = context;
	const struct rf_reader_file *file = &image->files[number];

	return file->image.inode == identity->inode && file->image.device == identity->device &&
	       strcmp(file->path, path) == 0;
}

static bool make_file_index(struct rf_process *process)
{
	void *slots = calloc(1, rf_file_index_bytes(RF_IMAGE_MAX_FILES));

	if (slots)
		rf_file_index_init(&process->file_index, slots, RF_IMAGE_MAX_FILES);
	return slots;
}

long rf_process_intern_file(struct rf_process *process, const struct rf_image_file *identity,
			    const char *path)
{
	struct rf_image *image = &process->source->image;
	struct rf_reader_file *files;
	uint32_t *slot;
	char *copy;

	if (!process->file_index.slots && !make_file_index(process))
		return -ENOMEM;
	slot = rf_file_index_find(&process->file_index, identity, path, is_file, image);
	if (*slot)
		return (long)*slot - 1;
	if (image->files_read == RF_IMAGE_MAX_FILES)
		return -ENOTSUP;
	files = reallocarray(image->files, image->files_read + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	image->files = files;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	files[image->files_read] = (struct rf_reader_file){ .image = *identity, .path = copy };
	files[image->files_read].image.index = image->files_read;
	image->head.files = image->files_read + 1;
	*slot = ++image->files_read;
	return (long)*slot - 1;
}

/* -- what /proc says of the process ------------------------------------------------------------ */

static int read_directory(struct rf_process *process, struct rf_report *report)
{
	static const char deleted[] = " (deleted)";
	struct rf_image *image = &process->source->image;
	char path[32];
	ssize_t length;

	rf_format(path, sizeof(path), "/proc/%d/cwd", (int)process->tracees.pid);
	length = readlink(path, image->cwd, RF_IMAGE_MAX_PATH_BYTES);
	if (length < 0)
		return rf_report(report, errno, "%s: %m", path);
	image->cwd[length] = '\0';
	if (image->cwd[0] != '/')
		return rf_report(report, ENOTSUP, "the working directory lies outside the root");
	if ((size_t)length >= sizeof(deleted) &&
	    strcmp(image->cwd + length - (sizeof(deleted) - 1), deleted) == 0 &&
	    access(image->cwd, F_OK) < 0)
		return rf_report(report, ENOTSUP, "the working directory was deleted");
	image->process.cwd_bytes = (uint32_t)length;
	return 0;
}

/* The heap's mapping ends where the heap ends, as long as nothing else is made of it. */
static uint64_t find_heap_end(const struct rf_process *process, uint64_t start)
{
	for (size_t i = 0; i < process->maps.count; i++) {
		const struct rf_map *map = &process->maps.entries[i];

		if (map->kind == RF_MAP_ANONYMOUS && start < map->end &&
		    start + PAGE_BYTES > map->start)
			return map->end;
	}
	return start;
}

static int read_process(struct rf_process *process, struct rf_report *report)
{
	struct rf_image *image = &process->source->image;
	pid_t pid = process->tracees.pid;
	struct rf_procstate_ranges ranges = { 0 };
	char status[8192], comm[32] = "";
	uint64_t mask = 022, brk = image->process.brk; /* from a call; 0 = it could not be asked */
	int error = rf_procstate_read_ranges_of(pid, &ranges, report);

	if (error < 0)
		return error;
	image->process = ranges.process;
	image->process.brk = brk ? brk : find_heap_end(process, ranges.process.start_brk);
	memcpy(image->auxv, ranges.auxv, sizeof(image->auxv));
	if (rf_process_read(pid, "status", status, sizeof(status)) < 0 ||
	    !rf_process_status_number(status, "\nUmask:", 0, 8, &mask))
		return rf_report(report, EPROTO, "/proc/%d/status: %m", (int)pid);
	image->process.umask = (uint32_t)mask & 0777;
	if (rf_process_read(pid, "comm", comm, sizeof(comm)) > 0)
		comm[strcspn(comm, "\n")] = '\0';
	memcpy(image->process.comm, comm, sizeof(image->process.comm) - 1);
	return read_directory(process, report);
}

/* -- the whole --------------------------------------------------------------------------------- */

static void release(struct rf_process *process)
{
	if (process->pagemap.fd >= 0)
		rf_pagemap_close(&process->pagemap);
	free(process->file_index.slots);
	free(process->maps_buffer);
	free(process->contents);
	free(process);
}

static int64_t let_go(struct rf_source_hold *hold)
{
	struct rf_process *process = (struct rf_process *)hold; /* its first member */
	int64_t held_ns = rf_tracee_release_all(&process->tracees);

	release(process);
	return held_ns;
}

static int read_maps(struct rf_process *process, struct rf_report *report)
{
	pid_t pid = process->tracees.pid;
	size_t bytes = MAPS_BYTES;
	int error;

	do {
		size_t entries = bytes / 2 / sizeof(struct rf_map);
		long length;

		free(process->maps_buffer);
		process->maps_buffer = malloc(bytes);
		if (!process->maps_buffer)
			return rf_report(report, ENOMEM, "no memory for the list of mappings");
		length = rf_maps_read_text_of(pid, process->maps_buffer + bytes / 2, bytes / 2);
		error = length < 0 ? (int)length
				   : rf_maps_parse(&process->maps, process->maps_buffer + bytes / 2,
						   (size_t)length,
						   (struct rf_map *)process->maps_buffer, entries);
		bytes *= 4;
	} while (error == -ENOBUFS && bytes <= MAPS_MAX_BYTES);
	if (error < 0)
		return rf_report(report, -error, "/proc/%d/maps: %m", (int)pid);
	process->tracees.maps = &process->maps;
	return 0;
}

static int begin_source(struct rf_process *process, struct rf_report *report)
{
	struct rf_source *source = process->source;
	struct rf_image_head *head = &source->image.head;
	struct timespec now;
	int error = rf_machine_facts_collect(&source->facts);

	if (error < 0)
		return rf_report(report, -error, "what this machine is cannot be told: %m");
	source->has_facts = true;
	memcpy(head->magic, RF_IMAGE_MAGIC, sizeof(head->magic));
	head->version = RF_IMAGE_VERSION;
	head->architecture = source->facts.architecture;
	head->page_bytes = PAGE_BYTES;
	memcpy(head->boot_id, source->facts.boot_id, sizeof(head->boot_id));
	clock_gettime(CLOCK_REALTIME, &now);
	source->origin.captured_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	source->origin.pid = (uint32_t)process->tracees.pid;
	if (getrandom(source->origin.id, sizeof(source->origin.id), 0) != sizeof(source->origin.id))
		return rf_report(report, errno, "random numbers: %m");
	return 0;
}

/* Nobody could wait for them: they stay with the process that runs on. */
static int lose_children(struct rf_process *process, struct rf_report *report)
{
	for (size_t i = 0; i < process->tracees.count; i++) {
		char name[64], text[4096], *next = text;
		long child;

		rf_format(name, sizeof(name), "task/%d/children",
			  (int)process->tracees.threads[i].tid);
		if (rf_process_read(process->tracees.pid, name, text, sizeof(text)) <= 0)
			continue; /* none, or a kernel that does not list them */
		while ((child = strtol(next, &next, 10)) > 0)
			if (rf_source_lose(process->source, "child process %ld", child) < 0)
				return rf_report(report, ENOMEM, "no memory");
	}
	return 0;
}

/* What threads are asked for changes nothing that is read after it. */
static int read_all(struct rf_process *process, struct rf_report *report)
{
	int error = rf_process_check(process->tracees.pid, true, report);

	if (error == 0)
		error = begin_source(process, report);
	if (error == 0)
		error = read_maps(process, report);
	if (error == 0)
		error = rf_process_read_threads(process, report);
	if (error == 0)
		error = rf_process_read_rights(process, report);
	if (error == 0)
		error = read_process(process, report);
	if (error == 0)
		error = rf_process_read_descriptors(process, report);
	if (error == 0)
		error = rf_process_read_memory(process, report);
	/* from here on memory is as it was */
	rf_tracee_end_calls(&process->tracees, &process->tracees.threads[0]);
	return error < 0 ? error : lose_children(process, report);
}

static int stop(struct rf_process *process, pid_t pid, struct rf_report *report)
{
	int timeout_ms = process->options.stop_timeout_ms;
	int error = rf_process_check(pid, false, report);

	if (error < 0)
		return error;
	error = rf_tracee_stop_all(&process->tracees, pid,
				   timeout_ms > 0 ? timeout_ms : RF_PROCESS_STOP_MS, report);
	return error == -EPERM || error == -EACCES ? rf_process_explain_refusal(pid, report)
						   : error;
}

int rf_process_open(struct rf_source *source, pid_t pid, const struct rf_process_options *options,
		    struct rf_report *report)
{
	struct rf_process *process = calloc(1, sizeof(*process));
	char name[16];
	int error;

	rf_source_init(source);
	if (!process)
		return rf_report(report, ENOMEM, "no memory");
	*process = (struct rf_process){ .hold = { let_go }, .source = source, .pagemap.fd = -1 };
	if (options)
		process->options = *options;
	error = stop(process, pid, report);
	if (error < 0) {
		release(process);
		return error;
	}
	source->hold = &process->hold;
	rf_format(name, sizeof(name), "%d", (int)pid);
	source->path = strdup(name);
	error = source->path ? read_all(process, report) : rf_report(report, ENOMEM, "no memory");
	if (error < 0)
		rf_source_close(source);
	return error;
}
