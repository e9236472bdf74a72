/* SPDX-License-Identifier: MIT */
/*
 * The image of a holder, to a file or a stream.  Pages go from where they lie to the file, by two
 * threads: one digests while the other writes.
 */
#define _GNU_SOURCE
#include "rfork/holder_write.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>

#include <rfork.h>

#include "rfork/executable.h"
#include "rfork/fdcontent.h"
#include "rfork/io.h"
#include "rfork/statefile.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define HELPER_STACK_BYTES ((size_t)64 << 10)

int rf_holder_prepare(struct rf_holder_writer *writer, struct rf_arena *arena)
{
	unsigned char *stack = rf_arena_take(arena, HELPER_STACK_BYTES);

	writer->records = rf_arena_take(arena, sizeof(*writer->records));
	writer->bounce = rf_arena_take(arena, RF_CHUNK_BYTES);
	writer->helper_bounce = rf_arena_take(arena, RF_CHUNK_BYTES);
	writer->helper_stack_top = stack + HELPER_STACK_BYTES;
	writer->chain = writer->changes = writer->written_chain = -1;
	return stack && writer->records && writer->bounce && writer->helper_bounce ? 0 : -ENOMEM;
}

void rf_holder_join(int *running)
{
	int value;

	/* the kernel wakes it as a futex that may be shared */
	while ((value = __atomic_load_n(running, __ATOMIC_ACQUIRE)) != 0)
		rf_syscall(SYS_futex, running, FUTEX_WAIT, value, NULL);
}

/* -- a file ----------------------------------------------------------------------------------- */

static uint64_t count_bytes(const struct rf_snapshot *snapshot)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < snapshot->mapping_count; i++)
		if (snapshot->mappings[i].source != RF_SOURCE_NONE)
			bytes +=
				snapshot->mappings[i].image.end - snapshot->mappings[i].image.start;
	return bytes;
}

/* Address space for tables of the largest statefile: what is not used costs nothing. */
static int map_tables(struct rf_holder_writer *writer, struct rf_statefile_tables *tables)
{
	size_t chunks = count_bytes(writer->snapshot) / RF_CHUNK_BYTES + RF_IMAGE_MAX_SEGMENTS;
	size_t segment_bytes = RF_IMAGE_MAX_SEGMENTS * sizeof(*tables->segments);
	size_t chunk_bytes = chunks * sizeof(*tables->chunks);
	int error = rf_arena_map(&writer->tables,
				 segment_bytes + chunk_bytes + RF_ARENA_STACK_BYTES + PAGE_BYTES);

	if (error < 0)
		return error;
	tables->segments = rf_arena_take(&writer->tables, segment_bytes);
	tables->chunks = rf_arena_take(&writer->tables, chunk_bytes);
	tables->segment_capacity = RF_IMAGE_MAX_SEGMENTS;
	tables->chunk_capacity = chunks;
	return 0;
}

static void help(void *argument)
{
	struct rf_holder_writer *writer = argument;

	/* the first error of both is the writer's */
	rf_statefile_write_pages(&writer->file, rf_snapshot_look, &writer->memory_fd,
				 writer->helper_bounce);
}

/* Only one thread at a time may write to a file; the other one digests meanwhile, and touches
 * each page for the first time, which costs as much: the fork has cleared the bits by which the
 * processor notes that. */
static int write_file_pages(struct rf_holder_writer *writer)
{
	int running = 0;
	int error;

	if (writer->file.chunk_count > 1)
		rf_arch_start_thread(writer->helper_stack_top, help, writer, &running);
	error = rf_statefile_write_pages(&writer->file, rf_snapshot_look, &writer->memory_fd,
					 writer->bounce);
	rf_holder_join(&running);
	return error < 0 ? error : writer->file.error;
}

static int write_statefile_head(int fd)
{
	const struct rf_statefile_note unfinished = { 0 };
	unsigned char head[RF_STATEFILE_HEAD_BYTES];
	struct iovec piece = { head, sizeof(head) };

	rf_statefile_make_head(head, &unfinished);
	return rf_io_pwritev_full(fd, &piece, 1, 0);
}

/* Leaves room for the pages of the head; note_offset: where in it the note's description is. */
static int write_head(const struct rf_target *target, uint64_t *note_offset)
{
	*note_offset = RF_STATEFILE_NOTE_OFFSET;
	return target->is_executable ? rf_executable_write_head(target->fd, 0, note_offset)
				     : write_statefile_head(target->fd);
}

static uint32_t head_pages(const struct rf_target *target)
{
	return target->is_executable ? rf_executable_head_pages() : 1;
}

/* The digest of an executable's head is made from the file. */
static struct rf_statefile_note describe_head(const struct rf_target *target)
{
	struct rf_statefile_note note = { .head_pages = head_pages(target) };
	unsigned char head[RF_STATEFILE_HEAD_BYTES];

	if (target->is_executable)
		return note;
	rf_statefile_make_head(head, &(struct rf_statefile_note){ 0 });
	rf_statefile_set_head(&note, head, sizeof(head));
	return note;
}

static int write_records(struct rf_holder_writer *writer, const struct rf_target *target,
			 uint64_t note_offset, struct rf_report *report)
{
	const struct rf_snapshot_request *request = writer->request;
	struct rf_statefile_note note = describe_head(target);
	int error = rf_snapshot_digest_files(writer->snapshot, request, report);

	memcpy(note.id, request->rest->origin.id, sizeof(note.id));
	if (error < 0)
		return error;
	rf_statefile_records(&writer->file, writer->records, &note);
	writer->records->drop = request->drop;
	rf_image_writer_continue(writer->records, RF_NO_DEADLINE, writer->memory_fd,
				 writer->bounce);
	error = rf_snapshot_write_layout(writer->snapshot, writer->records, request);
	if (error == 0)
		error = rf_fdcontent_write_nameless(request->fds, writer->records, report);
	if (error >= 0)
		error = rf_snapshot_write_marks(writer->snapshot, writer->records);
	if (error < 0)
		return error;
	return rf_statefile_finish(&writer->file, writer->records, &note, note_offset);
}

/* A file that builds on another holds what differs, if that is not too scattered. */
static int plan_pages(struct rf_holder_writer *writer, const struct rf_target *target,
		      const struct rf_statefile_tables *tables)
{
	uint64_t data_offset = head_pages(target) * (uint64_t)PAGE_BYTES;
	struct rf_snapshot_plan plan = { .writer = &writer->file,
					 .memory_fd = writer->memory_fd,
					 .bounce = writer->bounce };
	int error;

	rf_statefile_begin(&writer->file, target->fd, data_offset, tables);
	if (writer->base.chain.head) {
		error = rf_base_plan_pages(&writer->base, writer->snapshot, &plan,
					   writer->helper_bounce);
		if (error != -ENOBUFS)
			return error;
		rf_base_close(&writer->base);
		rf_statefile_begin(&writer->file, target->fd, data_offset, tables);
	}
	return rf_snapshot_plan_pages(writer->snapshot, &plan);
}

static int write_planned(struct rf_holder_writer *writer, const struct rf_target *target,
			 struct rf_report *report)
{
	uint64_t note_offset;
	int error = (int)rf_syscall(SYS_ftruncate, target->fd, 0);

	rf_base_name_parent(&writer->base, target->path, writer->rest);
	if (error == 0)
		error = write_head(target, &note_offset);
	if (error == 0)
		error = write_file_pages(writer);
	return error < 0 ? error : write_records(writer, target, note_offset, report);
}

static bool may_be_parent(const struct rf_holder_writer *writer, const struct rf_target *target)
{
	return writer->request->flags & RFORK_INCREMENTAL && target->directory >= 0 &&
	       !target->is_executable;
}

static int write_file(struct rf_holder_writer *writer, const struct rf_target *target,
		      struct rf_report *report)
{
	struct rf_statefile_tables tables;
	int error = map_tables(writer, &tables);

	if (error < 0)
		return error;
	if (may_be_parent(writer, target))
		rf_base_open(&writer->base, writer->chain, writer->changes, target->directory,
			     target->name);
	error = plan_pages(writer, target, &tables);
	if (error == -ENOBUFS)
		rf_report(report, ENOTSUP, "the memory is in more than %u pieces",
			  RF_IMAGE_MAX_SEGMENTS);
	if (error == 0)
		error = write_planned(writer, target, report);
	/* if it cannot be made, the next is whole */
	if (error == 0 && may_be_parent(writer, target))
		writer->written_chain = rf_chain_make(&writer->base.chain, writer->snapshot,
						      &writer->file, writer->rest->origin.id,
						      target->path);
	rf_base_close(&writer->base);
	rf_arena_unmap(&writer->tables);
	return error;
}

/* -- a stream --------------------------------------------------------------------------------- */

static int write_stream(struct rf_holder_writer *writer, int fd, struct rf_report *report)
{
	struct rf_image_writer *records = writer->records;
	int error = rf_snapshot_digest_files(writer->snapshot, writer->request, report);

	if (error < 0)
		return error;
	rf_base_name_parent(&writer->base, "", writer->rest); /* none: it is whole */
	rf_image_writer_init(records, fd, RF_NO_DEADLINE);
	records->drop = writer->request->drop;
	rf_image_writer_continue(records, RF_NO_DEADLINE, writer->memory_fd, writer->bounce);
	error = rf_snapshot_write_layout(writer->snapshot, records, writer->request);
	if (error == 0)
		error = rf_fdcontent_write_nameless(writer->request->fds, records, report);
	if (error == 0)
		error = rf_snapshot_write_marks(writer->snapshot, records);
	if (error == 0)
		error = rf_snapshot_write_pages(writer->snapshot, records);
	return error < 0 ? error : rf_image_write_end(records);
}

/* -- either ----------------------------------------------------------------------------------- */

/* Once, for the first commit: nothing of it changes any more. */
static int find_pages(struct rf_holder_writer *writer, struct rf_report *report)
{
	int error;

	if (writer->has_pages)
		return 0;
	rf_snapshot_carry_replaced(writer->snapshot);
	error = rf_snapshot_find_pages(writer->snapshot, report);
	writer->has_pages = error == 0;
	return error;
}

static int check_frozen(const struct rf_holder_writer *writer, struct rf_report *report)
{
	if (!writer->is_checked || writer->digest == rf_snapshot_digest(writer->snapshot))
		return 0;
	return rf_report(report, EIO, "the image changed while it was held");
}

int rf_holder_write(struct rf_holder_writer *writer, const struct rf_target *target,
		    struct rf_report *report)
{
	int error = find_pages(writer, report);

	if (error < 0)
		return error;
	error = target->is_stream ? write_stream(writer, target->fd, report)
				  : write_file(writer, target, report);
	if (error < 0)
		return rf_report(report, -error, "writing %s: %m", target->path);
	return check_frozen(writer, report);
}
