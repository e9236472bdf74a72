/* SPDX-License-Identifier: MIT */
/*
 * undump FILE -o APP: writes an executable that goes on where the process of any source stood.
 * Called by undump.c; reads nothing but the source.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rfork/digest.h"
#include "rfork/drop.h"
#include "rfork/executable.h"
#include "rfork/file_identity.h"
#include "rfork/holder_target.h"
#include "rfork/io.h"
#include "rfork/source_writer.h"
#include "rfork/statefile_writer.h"
#include "tools/process_reader.h"
#include "tools/undump.h"

#define PAGE_BYTES UINT64_C(4096)
#define DROP_ARENA_BYTES (RF_ARENA_STACK_BYTES + ((size_t)1 << 20))

struct writing {
	const struct undump_request *request;
	struct rf_source *source;
	struct rf_statefile_writer file;
	struct rf_statefile_tables tables;
	struct rf_image_writer records;
	struct rf_drop *drop; /* of tests; else NULL */
	struct rf_report *report;
	void *bounce;
	/* which pages are written: of a process that is held, first what only it has */
	enum { PAGES_ALL, PAGES_OF_PROCESS, PAGES_OF_FILES } pages;
};

/* -- files of the process ---------------------------------------------------------------------- */

static int fail_mapping(struct writing *writing, const struct rf_image_mapping *mapping, int error)
{
	const char *path = writing->source->image.files[mapping->file].path;

	if (error == -ESTALE)
		return rf_report(writing->report, ENOTSUP,
				 "%s: the file is not the one that the process had mapped", path);
	return rf_report(writing->report, -error, "%s, which the process had mapped: %m", path);
}

static bool is_written_through(const struct rf_image_mapping *mapping)
{
	return mapping->flags & RF_MAPPING_SHARED && mapping->protection & RF_PROTECTION_WRITE;
}

/* The bytes of a file go into the executable; what is shared and written stays a file. */
static int carry_contents(struct writing *writing, size_t index)
{
	struct rf_image_mapping *mapping = &writing->source->image.mappings[index];
	int fd = rf_source_open_file(writing->source, index);

	return fd < 0 ? fail_mapping(writing, mapping, fd) : 0;
}

/* Another machine knows the file by its bytes. */
static int digest_mapping(struct writing *writing, size_t index)
{
	struct rf_image *image = &writing->source->image;
	struct rf_image_mapping *mapping = &image->mappings[index];
	int fd, error;

	if (mapping->flags & RF_MAPPING_DIGEST)
		return 0;
	fd = rf_source_open_file(writing->source, index);
	if (fd < 0)
		return fail_mapping(writing, mapping, fd);
	error = rf_digest_file(fd, mapping->file_offset,
			       rf_file_visible_bytes(&image->files[mapping->file].image,
						     mapping->file_offset,
						     mapping->end - mapping->start),
			       RF_NO_DEADLINE, mapping->digest);
	mapping->flags |= RF_MAPPING_DIGEST;
	return error < 0 ? fail_mapping(writing, mapping, error) : 0;
}

static int settle_mappings(struct writing *writing)
{
	struct rf_image *image = &writing->source->image;
	int error = 0;

	for (size_t i = 0; i < image->head.mappings && error == 0; i++) {
		if (image->mappings[i].kind != RF_MAPPING_FILE ||
		    is_written_through(&image->mappings[i]))
			continue;
		error = writing->request->is_thin ? digest_mapping(writing, i)
						  : carry_contents(writing, i);
	}
	return error;
}

/* Looks at all files, which may take long. */
static int settle(struct writing *writing)
{
	int error = undump_settle_files(writing->source, writing->request, writing->report);

	return error < 0 ? error : settle_mappings(writing);
}

/* -- pages ------------------------------------------------------------------------------------- */

/* Whether a mapping's whole contents go into the executable. */
static bool is_carried(const struct writing *writing, const struct rf_image_mapping *mapping)
{
	return mapping->kind == RF_MAPPING_FILE && !writing->request->is_thin &&
	       !is_written_through(mapping);
}

static int plan_segments(struct writing *writing, const struct rf_image_mapping *mapping)
{
	const struct rf_source *source = writing->source;
	int error = 0;

	for (size_t i = rf_source_find(source, mapping->start);
	     i < source->segment_count && error == 0; i++) {
		const struct rf_segment *segment = &source->segments[i];

		if (segment->address >= mapping->end)
			break;
		if (segment->kind != RF_SEGMENT_ZERO || mapping->kind == RF_MAPPING_FILE)
			error = rf_statefile_plan(&writing->file, segment->address,
						  segment->bytes / PAGE_BYTES, segment->kind, 0);
	}
	return error;
}

static int plan_data(struct writing *writing, uint64_t start, uint64_t end)
{
	return start == end ? 0
			    : rf_statefile_plan(&writing->file, start, (end - start) / PAGE_BYTES,
						RF_SEGMENT_DATA, 0);
}

/* All that is not a guard page, whosever it is. */
static int plan_readable(struct writing *writing, uint64_t start, uint64_t end)
{
	const struct rf_source *source = writing->source;
	int error = 0;

	for (size_t i = rf_source_find(source, start);
	     i < source->segment_count && source->segments[i].address < end && error == 0; i++) {
		const struct rf_segment *guard = &source->segments[i];
		uint64_t guard_end = guard->address + guard->bytes;

		if (guard->kind != RF_SEGMENT_GUARD)
			continue;
		if (guard_end > end)
			guard_end = end;
		error = plan_data(writing, start, guard->address);
		if (error == 0)
			error = rf_statefile_plan(&writing->file, guard->address,
						  (guard_end - guard->address) / PAGE_BYTES,
						  RF_SEGMENT_GUARD, 0);
		start = guard_end;
	}
	return error < 0 ? error : plan_data(writing, start, end);
}

/* The file as far as it goes; of what is behind it, what the process has put there itself. */
static int plan_contents(struct writing *writing, struct rf_image_mapping *mapping)
{
	const struct rf_source *source = writing->source;
	const struct rf_image_file *file = &source->image.files[mapping->file].image;
	uint64_t visible =
		rf_file_visible_bytes(file, mapping->file_offset, mapping->end - mapping->start);
	uint64_t end = mapping->start + ((visible + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1));
	int error = plan_readable(writing, mapping->start, end);

	for (size_t i = rf_source_find(source, end); i < source->segment_count && error == 0; i++) {
		const struct rf_segment *segment = &source->segments[i];
		uint64_t from = segment->address > end ? segment->address : end;

		if (segment->address >= mapping->end)
			break;
		error = rf_statefile_plan(&writing->file, from,
					  (segment->address + segment->bytes - from) / PAGE_BYTES,
					  segment->kind, 0);
	}
	return error;
}

static int plan_pages(struct writing *writing)
{
	struct rf_image *image = &writing->source->image;
	int error = 0;

	for (size_t i = 0; i < image->head.mappings && error == 0; i++) {
		struct rf_image_mapping *mapping = &image->mappings[i];

		rf_statefile_mapping(&writing->file, false);
		error = is_carried(writing, mapping) ? plan_contents(writing, mapping)
						     : plan_segments(writing, mapping);
	}
	return error == -ENOBUFS
		       ? rf_report(writing->report, ENOTSUP, "the memory is in more than %u pieces",
				   RF_IMAGE_MAX_SEGMENTS)
		       : error;
}

/* Whether some of it is not a file's. */
static bool has_segment(const struct rf_source *source, uint64_t address, size_t bytes)
{
	size_t index = rf_source_find(source, address);

	return index < source->segment_count && source->segments[index].address < address + bytes;
}

static int look(void *context, const struct rf_statefile_segment *segment, uint64_t address,
		size_t bytes, void *bounce, const void **data)
{
	struct writing *writing = context;
	ssize_t got;

	(void)segment;
	if (writing->pages != PAGES_ALL &&
	    has_segment(writing->source, address, bytes) != (writing->pages == PAGES_OF_PROCESS))
		return RF_STATEFILE_LATER;
	got = rf_source_read(writing->source, address, bounce, bytes);
	*data = bounce;
	if (got == (ssize_t)bytes)
		return 0;
	return rf_report(writing->report, got < 0 ? (int)-got : EIO,
			 "%s: the memory at %lx cannot be read: %m", writing->source->path,
			 address + (got > 0 ? (uint64_t)got : 0));
}

static int write_pages(struct writing *writing)
{
	int error;

	if (writing->source->hold) {
		writing->pages = PAGES_OF_PROCESS;
		error = rf_statefile_write_pages(&writing->file, look, writing, writing->bounce);
		if (error < 0)
			return error;
		rf_source_let_go(writing->source);
		error = settle(writing);
		if (error < 0)
			return error;
		rf_statefile_again(&writing->file);
		writing->pages = PAGES_OF_FILES;
	}
	return rf_statefile_write_pages(&writing->file, look, writing, writing->bounce);
}

/* What was a file is memory now, with the file's name. */
static void rename_kinds(struct writing *writing)
{
	struct rf_image *image = &writing->source->image;

	for (size_t i = 0; i < image->head.mappings; i++) {
		struct rf_image_mapping *mapping = &image->mappings[i];

		if (!is_carried(writing, mapping))
			continue;
		mapping->kind = RF_MAPPING_CONTENTS;
		mapping->flags &= ~(RF_MAPPING_SHARED | RF_MAPPING_DIGEST);
		memset(mapping->digest, 0, sizeof(mapping->digest));
	}
}

/* -- the file ---------------------------------------------------------------------------------- */

static void map_tables(struct writing *writing)
{
	const struct rf_image *image = &writing->source->image;
	size_t chunks = RF_IMAGE_MAX_SEGMENTS;

	for (size_t i = 0; i < image->head.mappings; i++)
		chunks += (image->mappings[i].end - image->mappings[i].start) / RF_CHUNK_BYTES + 1;
	writing->tables = (struct rf_statefile_tables){
		.segments = calloc(RF_IMAGE_MAX_SEGMENTS, sizeof(*writing->tables.segments)),
		.segment_capacity = RF_IMAGE_MAX_SEGMENTS,
		.chunks = calloc(chunks, sizeof(*writing->tables.chunks)),
		.chunk_capacity = chunks,
	};
	writing->bounce = malloc(RF_CHUNK_BYTES);
}

static int write_records(struct writing *writing, uint64_t note_offset)
{
	struct rf_statefile_note note = { .head_pages = rf_executable_head_pages() };
	struct rf_image_origin *origin = &writing->source->origin;
	int error;

	if (getrandom(note.id, sizeof(note.id), 0) != sizeof(note.id))
		return -EIO;
	/* another file, which has no parent */
	memcpy(origin->id, note.id, sizeof(note.id));
	memset(origin->parent, 0, sizeof(origin->parent));
	free(writing->source->parent_path);
	writing->source->parent_path = NULL;
	rf_statefile_records(&writing->file, &writing->records, &note);
	writing->records.drop = writing->drop;
	rf_image_writer_continue(&writing->records, RF_NO_DEADLINE, -1, writing->bounce);
	error = rf_source_write_layout(writing->source, &writing->records);
	if (error >= 0)
		error = rf_source_write_contents(writing->source, &writing->records);
	return error < 0
		       ? error
		       : rf_statefile_finish(&writing->file, &writing->records, &note, note_offset);
}

static int write_image(struct writing *writing, int fd)
{
	uint64_t note_offset;
	int error;

	map_tables(writing);
	if (!writing->tables.segments || !writing->tables.chunks || !writing->bounce)
		return -ENOMEM;
	rf_statefile_begin(&writing->file, fd, rf_executable_head_pages() * PAGE_BYTES,
			   &writing->tables);
	error = plan_pages(writing);
	if (error == 0)
		error = rf_executable_write_head(
			fd, writing->request->is_copied ? RF_START_COPY : 0, &note_offset);
	if (error == 0)
		error = write_pages(writing);
	rename_kinds(writing);
	return error < 0 ? error : write_records(writing, note_offset);
}

/* Splits the output's path into a folder, which is opened, and the name in it. */
static int open_folder(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd;

	*name = slash ? slash + 1 : path;
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	free(folder);
	return fd;
}

/* Beside what it will replace: that stays until the new file is complete. */
static int write_file(struct writing *writing)
{
	const char *path = writing->request->output;
	struct rf_target target;
	const char *name;
	int folder = open_folder(path, &name);
	int error;

	if (folder < 0)
		return rf_report(writing->report, -folder, "%s: %m", path);
	error = rf_target_open_executable(&target, folder, name, writing->report);
	if (error < 0)
		return error;
	error = write_image(writing, target.fd);
	rf_target_remove_stale(&target); /* now that nobody is held for it */
	if (error == 0)
		return rf_target_complete(&target, writing->report);
	rf_target_abandon(&target);
	return rf_report(writing->report, -error, "%s: %m", path);
}

/* What an executable is made of stays, for whoever wants another one of it. */
static int check_input(const struct undump_request *request, struct rf_report *report)
{
	struct stat input, output;

	if (!request->file || stat(request->file, &input) < 0 ||
	    stat(request->output, &output) < 0 || input.st_dev != output.st_dev ||
	    input.st_ino != output.st_ino)
		return 0;
	return rf_report(report, EINVAL, "%s: it is being read, and would be replaced",
			 request->output);
}

/* The companion, too, before anything is written. */
static int check_outputs(const struct undump_request *request, const struct rf_source *source,
			 struct rf_report *report)
{
	char *companion;
	int error = check_input(request, report);

	if (error < 0 || request->is_alone)
		return error;
	if (asprintf(&companion, "%s.core", request->output) < 0)
		return rf_report(report, ENOMEM, "%s: %m", request->output);
	error = undump_check_core_output(source, companion, report);
	free(companion);
	return error;
}

static int open_source(struct rf_source *source, const struct undump_request *request,
		       struct rf_report *report)
{
	struct rf_process_options options = { .close_others = request->close_others };
	int error = undump_check_output(request->output, report);

	if (error < 0)
		return error;
	return request->pid ? rf_process_open(source, request->pid, &options, report)
			    : undump_open(source, request->file, report);
}

static void tell_pause(const struct undump_request *request, const struct rf_source *source)
{
	if (request->pid)
		fprintf(stderr, "undump: process %d: stopped for %.1f ms\n", (int)request->pid,
			(double)source->held_ns / 1e6);
}

static int choose_drop(struct writing *writing, struct rf_arena *arena)
{
	int error = rf_arena_map(arena, DROP_ARENA_BYTES);

	return error < 0 ? rf_report(writing->report, -error, "memory: %m")
			 : rf_drop_choose(&writing->drop, arena, writing->report);
}

int undump_write_executable(const struct undump_request *request, struct rf_report *report)
{
	struct rf_source source;
	struct writing writing = { .request = request, .source = &source, .report = report };
	struct rf_arena arena;
	int error = choose_drop(&writing, &arena);

	if (error < 0)
		return error;
	error = open_source(&source, request, report);

	if (error < 0)
		return error;
	error = check_outputs(request, &source, report);
	if (error == 0 && source.lost)
		fprintf(stderr, "undump: %s: lost:\n%s", source.path, source.lost);
	if (error == 0 && !source.hold) /* else who is held has gone on when that is done */
		error = settle(&writing);
	if (error == 0)
		error = write_file(&writing);
	if (error == 0)
		tell_pause(request, &source);
	/* so that gdb shows it */
	if (error == 0 && !request->is_alone)
		error = undump_write_companion(request->output, NULL, report);
	free(writing.tables.segments);
	free(writing.tables.chunks);
	free(writing.bounce);
	rf_source_close(&source);
	rf_arena_unmap(&arena);
	return error;
}
