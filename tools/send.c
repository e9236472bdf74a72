/* SPDX-License-Identifier: MIT */
/*
 * undump FILE --to HOST: lets a node restart an image.  What goes on there has this process's
 * standard files and terminal; this process stands for it, as a ghost does, and ends as it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/approach.h"
#include "rfork/boot_id.h"
#include "rfork/fdtable.h"
#include "rfork/ghost.h"
#include "rfork/ghost_signals.h"
#include "rfork/machine_facts.h"
#include "rfork/rights.h"
#include "rfork/source_writer.h"
#include "rfork/statefile_reader.h"
#include "tools/undump.h"

#define PAGE_BYTES 4096u
#define PIECE_BYTES ((size_t)RF_PAGES_MAX_DATA_PAGES * PAGE_BYTES)
#define STANDARD_FDS 3u

/* What is being sent. */
struct sending {
	struct rf_source *source;
	unsigned char *piece; /* PIECE_BYTES: pages on their way */
};

/* -- pages ---------------------------------------------------------------------------------- */

/* Sends [address, end), which must be readable; the writer may not keep what lies in the piece. */
static int send_range(struct sending *sending, struct rf_image_writer *writer, uint64_t address,
		      uint64_t end)
{
	int error = 0;

	for (size_t bytes; address < end && error == 0; address += bytes) {
		ssize_t got;

		bytes = end - address < PIECE_BYTES ? end - address : PIECE_BYTES;
		got = rf_source_read(sending->source, address, sending->piece, bytes);
		if (got != (ssize_t)bytes)
			return got < 0 ? (int)got : -EIO;
		error = rf_image_write_data(writer, address, sending->piece, bytes / PAGE_BYTES);
		if (error == 0)
			error = rf_image_writer_flush(writer);
	}
	return error;
}

static int send_segment(struct sending *sending, struct rf_image_writer *writer,
			const struct rf_segment *segment)
{
	const struct rf_image *image = &sending->source->image;
	uint64_t end = segment->address + segment->bytes;
	size_t mapping = rf_image_find_mapping(image, segment->address, end);

	if (mapping == SIZE_MAX)
		return -EBADMSG;
	if (segment->kind == RF_SEGMENT_GUARD)
		return rf_image_write_guard(writer, segment->address, segment->bytes / PAGE_BYTES);
	writer->keeps_zeros = image->mappings[mapping].kind == RF_MAPPING_FILE ||
			      image->mappings[mapping].kind == RF_MAPPING_OBJECT;
	if (segment->kind == RF_SEGMENT_ZERO && !writer->keeps_zeros)
		return 0;
	return send_range(sending, writer, segment->address, end);
}

static int write_pages(void *context, struct rf_image_writer *writer)
{
	struct sending *sending = context;
	int error = rf_source_write_contents(sending->source, writer);

	for (size_t i = 0; i < sending->source->segment_count && error == 0; i++)
		error = send_segment(sending, writer, &sending->source->segments[i]);
	writer->keeps_zeros = false;
	return error < 0 ? error : rf_image_writer_flush(writer);
}

/* The node takes the mapping for anonymous memory; what is behind the file's end cannot be read
 * there and is not sent. */
static int write_lacking(void *context, struct rf_image_writer *writer, uint32_t index)
{
	struct sending *sending = context;
	const struct rf_image *image = &sending->source->image;
	const struct rf_image_mapping *mapping;
	int error = 0;

	if (index >= image->head.mappings || image->mappings[index].kind != RF_MAPPING_FILE)
		return -EBADMSG;
	mapping = &image->mappings[index];
	for (uint64_t at = mapping->start; at < mapping->end && error == 0;) {
		size_t bytes = mapping->end - at < PIECE_BYTES ? mapping->end - at : PIECE_BYTES;
		ssize_t got = rf_source_read(sending->source, at, sending->piece, bytes);

		if (got < 0 && got != -EFAULT)
			return (int)got;
		got = got < (ssize_t)PAGE_BYTES ? 0 : got & -(ssize_t)PAGE_BYTES;
		error = rf_image_write_data(writer, at, sending->piece, (uint64_t)got / PAGE_BYTES);
		if (error == 0)
			error = rf_image_writer_flush(writer);
		at += got ? (uint64_t)got : PAGE_BYTES;
	}
	return error;
}

static int write_layout(void *context, struct rf_image_writer *writer)
{
	return rf_source_write_layout(((struct sending *)context)->source, writer);
}

static size_t count_file_mappings(const struct rf_image *image)
{
	size_t count = 0;

	for (uint32_t i = 0; i < image->head.mappings; i++)
		count += image->mappings[i].kind == RF_MAPPING_FILE;
	return count;
}

/* -- descriptors ------------------------------------------------------------------------------ */

static bool is_beyond_standard(int fd)
{
	return fd < 0 || (unsigned)fd >= STANDARD_FDS;
}

/* Our descriptor of that number; NULL if it is closed here. */
static const struct rf_fd *find_own(const struct rf_fdtable *own, uint32_t number)
{
	for (size_t i = 0; i < own->count; i++)
		if (own->entries[i].image.number == number)
			return &own->entries[i];
	return NULL;
}

/* Adds a file of ours, which can only be one of the devices that are the same everywhere; its index
 * or -ENOMEM. */
static long add_file(struct rf_image *image, const struct rf_fd *own)
{
	uint32_t index = image->head.files;
	struct rf_reader_file *files = reallocarray(image->files, index + 1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	image->files = files;
	files[index] = (struct rf_reader_file){ own->identity, strdup(own->path) };
	files[index].image.index = index;
	if (!files[index].path)
		return -ENOMEM;
	image->head.files = image->files_read = index + 1;
	return index;
}

/* A standard file of the image becomes ours, whatever it was; where we have none it reads as its
 * end. */
static int stand_in(struct rf_image *image, struct rf_image_descriptor *descriptor,
		    const struct rf_fdtable *own)
{
	const struct rf_fd *ours = find_own(own, descriptor->number);
	long file;
	struct rf_image_descriptor taken = { .number = descriptor->number,
					     .kind = RF_DESCRIPTOR_EMPTY,
					     .status_flags = O_RDWR,
					     .same_as = RF_IMAGE_NONE,
					     .file = RF_IMAGE_NONE };

	if (ours && ours->image.kind != RF_DESCRIPTOR_OBJECT)
		taken = ours->image;
	taken.flags = descriptor->flags & RF_DESCRIPTOR_CLOEXEC;
	if (taken.kind == RF_DESCRIPTOR_FILE && taken.same_as == RF_IMAGE_NONE) {
		file = add_file(image, ours);
		if (file < 0)
			return (int)file;
		taken.file = (uint32_t)file;
	}
	*descriptor = taken;
	return 0;
}

static const struct rf_image_descriptor *find_descriptor(const struct rf_image *image,
							 uint32_t number)
{
	for (uint32_t i = 0; i < image->head.descriptors; i++)
		if (image->descriptors[i].number == number)
			return &image->descriptors[i];
	return NULL;
}

/* What we have open twice, the image may have open but once; and what it has open twice may be a
 * duplicate of another now: a duplicate names one that stands for itself. */
static void name_original(const struct rf_image *image, struct rf_image_descriptor *descriptor,
			  const struct rf_fdtable *own)
{
	const struct rf_image_descriptor *original = find_descriptor(image, descriptor->same_as);
	uint32_t number = descriptor->number;

	if (original && original->same_as != RF_IMAGE_NONE)
		descriptor->same_as = original->same_as;
	else if (!original) {
		*descriptor = find_own(own, descriptor->same_as)->image;
		descriptor->number = number;
	}
}

static bool is_terminal(const struct rf_image_descriptor *descriptor)
{
	return descriptor->kind == RF_DESCRIPTOR_RELAY &&
	       (descriptor->stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL;
}

/* Streams but the standard ones had their other end in a process that is not here. */
static int refuse_stream(const struct rf_source *source, const struct rf_ghost_order *order,
			 const struct rf_image_descriptor *descriptor, struct rf_report *report)
{
	if (descriptor->number < STANDARD_FDS || descriptor->kind != RF_DESCRIPTOR_RELAY ||
	    descriptor->same_as != RF_IMAGE_NONE)
		return 0;
	if (is_terminal(descriptor) && order->terminal.device)
		return 0;
	return rf_report(report, ENOTSUP, "%s: descriptor %u (%s): its other end is nowhere",
			 source->path, descriptor->number,
			 is_terminal(descriptor) ? "terminal" : "stream");
}

/* Replaces the image's standard files by ours. */
static int take_standard_files(struct rf_source *source, const struct rf_ghost_order *order,
			       struct rf_report *report)
{
	struct rf_image *image = &source->image;
	int error = 0;

	for (uint32_t i = 0; i < image->head.descriptors && error == 0; i++) {
		struct rf_image_descriptor *descriptor = &image->descriptors[i];

		if (descriptor->number < STANDARD_FDS && descriptor->kind != RF_DESCRIPTOR_OBJECT &&
		    stand_in(image, descriptor, &order->fds) < 0)
			return rf_report(report, ENOMEM, "no memory for descriptors");
		if (descriptor->same_as < STANDARD_FDS)
			name_original(image, descriptor, &order->fds);
		error = refuse_stream(source, order, descriptor, report);
	}
	return error;
}

/* -- the way ----------------------------------------------------------------------------------- */

static int collect_own(struct rf_flight *flight, struct rf_ghost_order *order,
		       const struct rf_terminal *terminal, struct rf_report *report)
{
	int error;

	rf_state_lock();
	error = rf_fdtable_collect(&order->fds, &flight->arena, RF_FDTABLE_NO_CONTENTS, NULL,
				   terminal, is_beyond_standard, report);
	rf_state_unlock();
	return error;
}

/* The child gets no more than the process had that the image is of, whatever we may do. */
static int limit_rights(struct rf_ghost_order *order, struct rf_source *source,
			const struct rf_machine_facts *node, struct rf_report *report)
{
	struct rf_image *image = &source->image;
	const struct rf_image_rights none = { .permitted = UINT64_MAX,
					      .effective = UINT64_MAX,
					      .bounding = UINT64_MAX };
	bool same_boot = rf_boot_id_is_same(node->boot_id, image->head.boot_id);

	if (!image->has_rights)
		image->rights = none;
	rf_rights_refuse(&image->rights, &image->state, node, same_boot, &order->refusals);
	image->has_rights = rf_rights_limit(&image->rights, node, same_boot);
	return rf_refusals_report(&order->refusals, "cannot travel", "", report);
}

/* Hears what the node is, and decides what the child has of ours. */
static int settle(struct rf_flight *flight, struct rf_ghost_order *order,
		  const struct rf_options *options, struct rf_source *source,
		  struct rf_report *report)
{
	struct rf_machine_facts node;
	int error = collect_own(flight, order, &order->terminal, report);

	if (error == 0)
		error = rf_approach_agree(flight, options, order, &source->facts, &node, report);
	if (error == 0 && order->terminal.device && !(node.flags & RF_FACTS_TERMINAL)) {
		order->terminal.device = 0;
		error = collect_own(flight, order, NULL, report);
	}
	if (error == 0)
		error = limit_rights(order, source, &node, report);
	return error < 0 ? error : take_standard_files(source, order, report);
}

static uint64_t count_data_bytes(const struct rf_source *source)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < source->segment_count; i++)
		if (source->segments[i].kind == RF_SEGMENT_DATA)
			bytes += source->segments[i].bytes;
	return bytes;
}

/* What goes on there learns from whom it came, and what the node was called. */
static void name_way(struct rf_image *image, const char *host)
{
	image->identity.ghost = (uint32_t)getpid();
	image->identity.connection_bytes =
		(uint32_t)rf_format(image->connection, sizeof(image->connection), "%s", host);
}

/* Sends it and becomes its ghost; returns only a negative errno with a report. */
static int send_source(struct rf_flight *flight, const char *host, const struct rf_options *options,
		       struct rf_source *source, struct rf_report *report)
{
	struct sending sending = { .source = source, .piece = malloc(PIECE_BYTES) };
	struct rf_ghost_cargo cargo = { .context = &sending,
					.file_mappings = count_file_mappings(&source->image),
					.write_layout = write_layout,
					.write_pages = write_pages,
					.write_lacking = write_lacking };
	const struct rf_approach_image image = { .facts = &source->facts,
						 .data_bytes = count_data_bytes(source) };
	struct rf_ghost_order *order = rf_approach(flight, host, options, &image, report);
	int error = order ? settle(flight, order, options, source, report) : -report->error;

	if (error == 0 && !sending.piece)
		error = rf_report(report, ENOMEM, "no memory to send the image");
	if (error == 0) {
		order->arena = flight->arena;
		order->caller = getppid();
		rf_ghost_block_signals();
		name_way(&source->image, host);
		error = rf_ghost_carry(order, &cargo, report);
	}
	free(sending.piece);
	return error;
}

/* A core does not say on which machine its process ran.  If that had this machine's vdso it was
 * this one, as far as anybody can tell. */
static int complete_facts(struct rf_source *source, struct rf_report *report)
{
	struct rf_machine_facts here;
	int error;

	if (source->has_facts)
		return 0;
	error = rf_machine_facts_collect(&here);
	if (error < 0)
		return rf_report(report, -error, "the facts of this machine: %m");
	if (source->image.vdso.areas == 0 || source->image.vdso.digest != here.vdso_digest)
		return rf_report(
			report, ENOTSUP,
			"%s: it does not say which machine it needs, and is not of this one",
			source->path);
	source->facts = here;
	source->has_facts = true;
	return 0;
}

int undump_send(const struct undump_request *request, struct rf_report *report)
{
	struct rfork_options asked = { .size = sizeof(asked),
				       .key_file = request->key_file,
				       .timeout_ms = -1,
				       .flags = request->is_plaintext_allowed
							? RFORK_INSECURE_PLAINTEXT
							: 0 };
	struct rf_options options;
	struct rf_source source;
	struct rf_flight flight;
	int error = rf_options_check(&options, &asked, report);

	if (error == 0)
		error = undump_open(&source, request->file, report);
	if (error < 0)
		return error;
	error = complete_facts(&source, report);
	/* The stream has digests of its own, which would vouch for whatever was read. */
	if (error == 0)
		error = rf_statefile_check(&source, report);
	if (error == 0)
		error = rf_flight_begin(&flight);
	if (error == 0) {
		error = send_source(&flight, request->host, &options, &source, report);
		rf_flight_end(&flight);
	}
	rf_source_close(&source);
	return error;
}
