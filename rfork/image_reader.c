/* SPDX-License-Identifier: MIT */
/*
 * Reads images.  Every byte is hostile until its digest and its limits have been
 * checked: header digest, length, sequence, order, payload digest, then fields.
 * Called by the shell; must not act on an image, only say what is in it.
 */
#define _GNU_SOURCE
#include "rfork/image_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/image_record.h"

#define PAGE_BYTES 4096u
#define KNOWN_PROTECTION (RF_PROTECTION_READ | RF_PROTECTION_WRITE | RF_PROTECTION_EXECUTE)
#define KNOWN_MAPPING_FLAGS (RF_MAPPING_SHARED | RF_MAPPING_GROWSDOWN | RF_MAPPING_DIGEST)
#define KNOWN_DESCRIPTOR_FLAGS                                                                     \
	(RF_DESCRIPTOR_CLOEXEC | RF_DESCRIPTOR_MAY_CLOSE | RF_DESCRIPTOR_DIGEST |                  \
	 RF_DESCRIPTOR_WITNESS)

/* The shortest records: what is certain to follow may be read ahead. */
#define HEADER_BYTES RF_RECORD_HEADER_BYTES
#define END_BYTES RF_RECORD_END_BYTES
#define LEAST_FILE_BYTES (HEADER_BYTES + sizeof(struct rf_image_file) + 1)
#define LEAST_PROCESS_BYTES (HEADER_BYTES + sizeof(struct rf_image_process) + 1)
#define SIGACTIONS_BYTES (HEADER_BYTES + RF_IMAGE_SIGNALS * sizeof(struct rf_image_sigaction))

int rf_reader_init(struct rf_reader *reader, int fd, uint64_t min_address, uint64_t max_address,
		   struct rf_report *report)
{
	*reader = (struct rf_reader){ .fd = fd,
				      .min_address = min_address,
				      .max_address = max_address,
				      .report = report,
				      .payload = malloc(RF_RECORD_MAX_BYTES) };
	return reader->payload ? 0 : rf_report(report, ENOMEM, "no memory to read an image");
}

void rf_image_release(struct rf_image *image)
{
	for (uint32_t i = 0; i < image->threads_read; i++)
		free(image->threads[i].xsave);
	free(image->threads);
	for (uint32_t i = 0; i < image->files_read; i++)
		free(image->files[i].path);
	free(image->files);
	free(image->descriptors);
	free(image->mappings);
	free(image->timers);
	free(image->pending);
	for (uint32_t i = 0; i < image->pipe_count; i++)
		free(image->pipes[i].lengths);
	free(image->pipes);
	*image = (struct rf_image){ 0 };
}

void rf_reader_release(struct rf_reader *reader)
{
	free(reader->payload);
	reader->payload = NULL;
}

void rf_reader_release_forecast(struct rf_reader_forecast *forecast)
{
	rf_image_release(&forecast->image);
}

/* -- records of the layout ---------------------------------------------------------------------- */

static int take_image(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_head *head = &image->head;

	if (bytes != sizeof(*head))
		return rf_record_corrupt(reader, "IMAGE has another length");
	memcpy(head, reader->payload, bytes);
	if (memcmp(head->magic, RF_IMAGE_MAGIC, sizeof(head->magic)) != 0)
		return rf_record_corrupt(reader, "not an rfork image");
	if (head->version != RF_IMAGE_VERSION)
		return rf_report(reader->report, EPROTONOSUPPORT,
				 "image version %u is not supported", head->version);
	if (head->architecture != RF_ARCHITECTURE_X86_64 || head->page_bytes != PAGE_BYTES)
		return rf_report(reader->report, ENOEXEC,
				 "the image is of another architecture or page size");
	if (head->reserved1 || head->reserved2)
		return rf_record_corrupt(reader, "a reserved field is in use");
	if (head->threads == 0)
		return rf_record_corrupt(reader, "it has no thread");
	if (head->threads > RF_IMAGE_MAX_THREADS || head->files > RF_IMAGE_MAX_FILES ||
	    head->descriptors > RF_IMAGE_MAX_DESCRIPTORS ||
	    head->mappings > RF_IMAGE_MAX_MAPPINGS || head->mappings == 0)
		return rf_record_corrupt(reader, "a count is over its limit");
	image->threads = calloc(head->threads, sizeof(*image->threads));
	image->files = calloc(head->files + 1, sizeof(*image->files));
	image->descriptors = calloc(head->descriptors + 1, sizeof(*image->descriptors));
	image->mappings = calloc(head->mappings, sizeof(*image->mappings));
	if (!image->threads || !image->files || !image->descriptors || !image->mappings)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	return 0;
}

static int take_process(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_process *process = &image->process;
	const unsigned char *rest = reader->payload + sizeof(*process);

	if (bytes < sizeof(*process))
		return rf_record_corrupt(reader, "PROCESS is too short");
	memcpy(process, reader->payload, sizeof(*process));
	if (process->auxv_bytes > RF_IMAGE_MAX_AUXV_BYTES || process->auxv_bytes % 16 ||
	    process->cwd_bytes > RF_IMAGE_MAX_PATH_BYTES ||
	    bytes != sizeof(*process) + process->auxv_bytes + process->cwd_bytes)
		return rf_record_corrupt(reader, "PROCESS has another length");
	if (process->reserved1 || process->reserved2 || process->umask > 0777)
		return rf_record_corrupt(reader, "PROCESS has a field out of range");
	memcpy(image->auxv, rest, process->auxv_bytes);
	memcpy(image->cwd, rest + process->auxv_bytes, process->cwd_bytes);
	image->cwd[process->cwd_bytes] = '\0';
	process->comm[sizeof(process->comm) - 1] = '\0';
	if (image->cwd[0] != '/' || strlen(image->cwd) != process->cwd_bytes)
		return rf_record_corrupt(reader, "the working directory is no absolute path");
	return 0;
}

static int take_sigactions(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes != sizeof(image->sigactions))
		return rf_record_corrupt(reader, "SIGACTIONS has another length");
	memcpy(image->sigactions, reader->payload, bytes);
	return 0;
}

static bool is_user_range(const struct rf_reader *reader, uint64_t start, uint64_t bytes)
{
	return start >= reader->min_address && start < reader->max_address &&
	       bytes <= reader->max_address - start;
}

static int check_thread(struct rf_reader *reader, const struct rf_image_thread *thread)
{
	if (thread->flags & ~RF_THREAD_INTERRUPTED || thread->reserved2)
		return rf_record_corrupt(reader, "a reserved field is in use");
	if ((thread->rseq_address &&
	     !is_user_range(reader, thread->rseq_address, thread->rseq_bytes)) ||
	    (thread->tid_address && !is_user_range(reader, thread->tid_address, 4)) ||
	    thread->tid_address % 4)
		return rf_record_corrupt(reader, "THREAD has an address out of range");
	return rf_arch_check_thread(thread, reader->report);
}

static int take_thread(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_reader_thread *thread = &image->threads[image->threads_read];
	size_t xsave_bytes = bytes - sizeof(thread->image);

	if (image->threads_read == image->head.threads)
		return rf_record_corrupt(reader, "more THREAD records than announced");
	if (bytes < sizeof(thread->image))
		return rf_record_corrupt(reader, "THREAD is too short");
	memcpy(&thread->image, reader->payload, sizeof(thread->image));
	if (xsave_bytes > RF_IMAGE_MAX_XSAVE_BYTES || thread->image.xsave_bytes != xsave_bytes)
		return rf_record_corrupt(reader, "THREAD has another length");
	if (xsave_bytes) {
		thread->xsave = malloc(xsave_bytes);
		if (!thread->xsave)
			return rf_report(reader->report, ENOMEM, "no memory for a thread's state");
		memcpy(thread->xsave, reader->payload + sizeof(thread->image), xsave_bytes);
	}
	image->threads_read++;
	return check_thread(reader, &thread->image);
}

static int take_vdso(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_vdso *vdso = &image->vdso;
	uint64_t last = reader->min_address;
	unsigned codes = 0;

	if (bytes < sizeof(*vdso))
		return rf_record_corrupt(reader, "VDSO is too short");
	memcpy(vdso, reader->payload, sizeof(*vdso));
	if (vdso->areas == 0 || vdso->areas > RF_IMAGE_MAX_VDSO_AREAS || vdso->reserved ||
	    bytes != sizeof(*vdso) + vdso->areas * sizeof(image->vdso_areas[0]))
		return rf_record_corrupt(reader, "VDSO has a field out of range");
	memcpy(image->vdso_areas, reader->payload + sizeof(*vdso), bytes - sizeof(*vdso));
	for (uint32_t i = 0; i < vdso->areas; i++) {
		const struct rf_image_vdso_area *area = &image->vdso_areas[i];

		if (area->start < last || area->end <= area->start ||
		    area->end > reader->max_address || (area->start | area->end) % PAGE_BYTES ||
		    area->reserved || (area->kind != RF_VDSO_CODE && area->kind != RF_VDSO_DATA))
			return rf_record_corrupt(reader, "an area of the vdso is out of range");
		codes += area->kind == RF_VDSO_CODE;
		last = area->end;
	}
	return codes == 1 ? 0 : rf_record_corrupt(reader, "there is not one vdso");
}

/* Appends a file whose fields and path stand in the payload. */
static int add_file(struct rf_reader *reader, struct rf_image *image,
		    const struct rf_image_file *fields, const void *path, size_t length)
{
	struct rf_reader_file *file = &image->files[image->files_read];

	file->image = *fields;
	file->path = malloc(length + 1);
	if (!file->path)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	memcpy(file->path, path, length);
	file->path[length] = '\0';
	image->files_read++;
	if (fields->index != image->files_read - 1 || length > RF_IMAGE_MAX_PATH_BYTES ||
	    file->path[0] != '/' || strlen(file->path) != length)
		return rf_record_corrupt(reader, "FILE has a field out of range");
	return 0;
}

static int take_file(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_file fields;

	if (image->files_read == image->head.files)
		return rf_record_corrupt(reader, "more FILE records than announced");
	if (bytes <= sizeof(fields) || bytes - sizeof(fields) > RF_IMAGE_MAX_PATH_BYTES)
		return rf_record_corrupt(reader, "FILE has another length");
	memcpy(&fields, reader->payload, sizeof(fields));
	return add_file(reader, image, &fields, reader->payload + sizeof(fields),
			bytes - sizeof(fields));
}

/* Whether same_as names an earlier descriptor that stands for itself. */
static bool is_known_descriptor(const struct rf_image *image, uint32_t number)
{
	uint32_t low = 0;
	uint32_t high = image->descriptors_read;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (image->descriptors[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < image->descriptors_read && image->descriptors[low].number == number &&
	       image->descriptors[low].same_as == RF_IMAGE_NONE;
}

/* However often the terminal was opened, it is one channel. */
static const char *find_terminal_fault(const struct rf_image_descriptor *descriptor)
{
	uint32_t directions = descriptor->stream & ~RF_STREAM_TERMINAL;

	if ((descriptor->stream & RF_STREAM_TYPE) != RF_STREAM_TERMINAL ||
	    descriptor->file != RF_IMAGE_TERMINAL_CHANNEL || descriptor->offset)
		return "the terminal has a channel of its own";
	if (!directions || directions & ~(RF_STREAM_READ | RF_STREAM_WRITE))
		return "a terminal has no known direction";
	return NULL;
}

/* Why a relay is not one; NULL if it is. */
static const char *find_relay_fault(const struct rf_image *image,
				    const struct rf_image_descriptor *descriptor)
{
	uint32_t channel = descriptor->file;
	uint32_t type = descriptor->stream & RF_STREAM_TYPE;
	uint32_t directions = descriptor->stream & ~RF_STREAM_TYPE;

	if (channel >= RF_IMAGE_MAX_CHANNELS)
		return "a channel is out of range";
	if (type == RF_STREAM_TERMINAL || channel == RF_IMAGE_TERMINAL_CHANNEL)
		return find_terminal_fault(descriptor);
	if (image->channels[channel / 64] >> channel % 64 & 1)
		return "a channel has two descriptors";
	if (type == RF_STREAM_LISTENER)
		directions &= ~RF_STREAM_CONNECTIONS_KEEP_MESSAGES;
	if (type == RF_STREAM_DATAGRAM &&
	    directions == (RF_STREAM_READ | RF_STREAM_WRITE | RF_STREAM_HAS_NO_PEER))
		directions &= ~RF_STREAM_HAS_NO_PEER;
	if (type < RF_STREAM_PIPE || type > RF_STREAM_LISTENER || directions == 0 ||
	    directions & ~(RF_STREAM_READ | RF_STREAM_WRITE))
		return "a relay is of no known stream";
	if (type == RF_STREAM_LISTENER && directions != RF_STREAM_READ)
		return "a listening socket is written to";
	if (descriptor->offset && ((type != RF_STREAM_DATAGRAM && type != RF_STREAM_SEQPACKET) ||
				   descriptor->offset > INT32_MAX))
		return "a send buffer is out of range";
	if (type == RF_STREAM_PIPE && directions == (RF_STREAM_READ | RF_STREAM_WRITE))
		return "a pipe has two directions";
	if (channel < RF_IMAGE_STANDARD_CHANNELS &&
	    descriptor->stream !=
		    (RF_STREAM_PIPE | (channel == 0 ? RF_STREAM_READ : RF_STREAM_WRITE)))
		return "a standard channel is not its pipe";
	return NULL;
}

static int take_relay(struct rf_reader *reader, struct rf_image *image,
		      const struct rf_image_descriptor *descriptor)
{
	const char *fault = find_relay_fault(image, descriptor);

	if (fault)
		return rf_record_corrupt(reader, fault);
	image->channels[descriptor->file / 64] |= UINT64_C(1) << descriptor->file % 64;
	return 0;
}

static int take_pipe_end(struct rf_reader *reader, struct rf_image *image,
			 const struct rf_image_descriptor *descriptor)
{
	uint32_t end = descriptor->stream & (RF_STREAM_READ | RF_STREAM_WRITE);

	if (descriptor->file >= image->pipe_count)
		return rf_record_corrupt(reader, "a descriptor has an unknown pipe");
	if (descriptor->stream != (RF_STREAM_PIPE | RF_STREAM_READ) &&
	    descriptor->stream != (RF_STREAM_PIPE | RF_STREAM_WRITE))
		return rf_record_corrupt(reader, "an end of a pipe is none");
	if (image->pipes[descriptor->file].used_ends & end)
		return rf_record_corrupt(reader, "an end of a pipe has two descriptors");
	image->pipes[descriptor->file].used_ends |= end;
	return 0;
}

static int check_kind(struct rf_reader *reader, struct rf_image *image,
		      const struct rf_image_descriptor *descriptor)
{
	bool is_first = descriptor->same_as == RF_IMAGE_NONE;

	switch (descriptor->kind) {
	case RF_DESCRIPTOR_RELAY:
		return is_first ? take_relay(reader, image, descriptor) : 0;
	case RF_DESCRIPTOR_EMPTY:
		return 0;
	case RF_DESCRIPTOR_PIPE:
		return is_first ? take_pipe_end(reader, image, descriptor) : 0;
	case RF_DESCRIPTOR_FILE:
		return is_first && descriptor->file >= image->files_read
			       ? rf_record_corrupt(reader, "a descriptor has an unknown file")
			       : 0;
	}
	return rf_report(reader->report, ENOTSUP, "descriptor %u: kind %u is not supported",
			 descriptor->number, descriptor->kind);
}

/* Whether digest and witness are where they can decide, or absent. */
static bool is_proof_in_place(const struct rf_image_descriptor *descriptor)
{
	bool is_file = descriptor->kind == RF_DESCRIPTOR_FILE &&
		       descriptor->same_as == RF_IMAGE_NONE && !(descriptor->status_flags & O_PATH);
	uint32_t access = descriptor->status_flags & O_ACCMODE;

	if (descriptor->flags & RF_DESCRIPTOR_DIGEST
		    ? !is_file || access != O_RDONLY
		    : descriptor->digest[0] || descriptor->digest[1])
		return false;
	if (!(descriptor->flags & RF_DESCRIPTOR_WITNESS))
		return !descriptor->witness;
	return is_file && (access == O_WRONLY || access == O_RDWR) &&
	       descriptor->witness >= RF_WITNESS_FIRST && descriptor->witness < RF_WITNESS_END;
}

static int take_descriptor(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_descriptor descriptor;
	uint32_t count = image->descriptors_read;
	int error;

	if (count == image->head.descriptors)
		return rf_record_corrupt(reader, "more DESCRIPTOR records than announced");
	if (bytes != sizeof(descriptor))
		return rf_record_corrupt(reader, "DESCRIPTOR has another length");
	memcpy(&descriptor, reader->payload, sizeof(descriptor));
	if (descriptor.number > RF_IMAGE_MAX_FD || descriptor.flags & ~KNOWN_DESCRIPTOR_FLAGS ||
	    (descriptor.stream && descriptor.kind != RF_DESCRIPTOR_RELAY &&
	     descriptor.kind != RF_DESCRIPTOR_PIPE) ||
	    !is_proof_in_place(&descriptor) ||
	    (count && descriptor.number <= image->descriptors[count - 1].number) ||
	    (descriptor.same_as != RF_IMAGE_NONE &&
	     !is_known_descriptor(image, descriptor.same_as)))
		return rf_record_corrupt(reader, "DESCRIPTOR has a field out of range");
	error = check_kind(reader, image, &descriptor);
	if (error == 0)
		image->descriptors[image->descriptors_read++] = descriptor;
	return error;
}

static bool overlaps_vdso(const struct rf_image *image, const struct rf_image_mapping *mapping)
{
	for (uint32_t i = 0; i < image->vdso.areas; i++)
		if (mapping->start < image->vdso_areas[i].end &&
		    mapping->end > image->vdso_areas[i].start)
			return true;
	return false;
}

static const char *find_fault(const struct rf_reader *reader, const struct rf_image *image,
			      const struct rf_image_mapping *mapping, uint64_t last_end)
{
	bool is_file = mapping->kind == RF_MAPPING_FILE;

	if ((mapping->start | mapping->end) % PAGE_BYTES)
		return "a mapping is not page aligned";
	if (mapping->start >= mapping->end || mapping->start < reader->min_address ||
	    mapping->end > reader->max_address)
		return "a mapping is out of range";
	if (mapping->start < last_end || overlaps_vdso(image, mapping))
		return "mappings overlap";
	if (mapping->protection & ~KNOWN_PROTECTION || mapping->flags & ~KNOWN_MAPPING_FLAGS ||
	    mapping->kind > RF_MAPPING_FILE)
		return "a mapping has an unknown property";
	if (mapping->flags & (RF_MAPPING_SHARED | RF_MAPPING_DIGEST) && !is_file)
		return "an anonymous mapping has a property of files";
	if (mapping->flags & RF_MAPPING_GROWSDOWN && is_file)
		return "a mapped file grows down";
	if (is_file ? mapping->file >= image->files_read || mapping->file_offset % PAGE_BYTES ||
			      mapping->file_offset > INT64_MAX - (mapping->end - mapping->start)
		    : mapping->file != RF_IMAGE_NONE)
		return "a mapping has an unknown file or offset";
	return NULL;
}

/* Appends mappings that stand in the payload. */
static int add_mappings(struct rf_reader *reader, struct rf_image *image,
			const unsigned char *source, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct rf_image_mapping *mapping = &image->mappings[image->mappings_read];
		uint64_t last_end = image->mappings_read ? mapping[-1].end : 0;
		const char *fault;

		memcpy(mapping, source + i * sizeof(*mapping), sizeof(*mapping));
		fault = find_fault(reader, image, mapping, last_end);
		if (fault)
			return rf_report(reader->report, EBADMSG,
					 "the image is corrupt: mapping %lx-%lx: %s",
					 mapping->start, mapping->end, fault);
		image->mappings_read++;
	}
	return 0;
}

static int take_mappings(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(image->mappings[0]);

	if (bytes == 0 || bytes % sizeof(image->mappings[0]))
		return rf_record_corrupt(reader, "MAPPING has another length");
	if (count > image->head.mappings - image->mappings_read)
		return rf_record_corrupt(reader, "more mappings than announced");
	return add_mappings(reader, image, reader->payload, count);
}

static int take_layout(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes)
		return rf_record_corrupt(reader, "LAYOUT has another length");
	if (image->threads_read != image->head.threads || image->files_read != image->head.files ||
	    image->descriptors_read != image->head.descriptors ||
	    image->mappings_read != image->head.mappings)
		return rf_record_corrupt(reader, "fewer records than announced");
	return 0;
}

/* In the order in which they must come. */
static const struct {
	int (*take)(struct rf_reader *reader, struct rf_image *image, size_t bytes);
	enum rf_record_type type;
	bool is_required, is_repeated;
} layout_records[] = {
	{ take_image, RF_RECORD_IMAGE, true, false },
	{ take_process, RF_RECORD_PROCESS, true, false },
	{ take_sigactions, RF_RECORD_SIGACTIONS, true, false },
	{ take_thread, RF_RECORD_THREAD, true, true },
	{ rf_record_take_timers, RF_RECORD_TIMERS, false, false },
	{ rf_record_take_pending, RF_RECORD_PENDING, false, true },
	{ take_vdso, RF_RECORD_VDSO, false, false },
	{ take_file, RF_RECORD_FILE, false, true },
	{ rf_record_take_pipe, RF_RECORD_PIPE, false, true },
	{ take_descriptor, RF_RECORD_DESCRIPTOR, false, true },
	{ take_mappings, RF_RECORD_MAPPING, true, true },
	{ take_layout, RF_RECORD_LAYOUT, true, false },
};

#define LAYOUT_RECORDS (sizeof(layout_records) / sizeof(layout_records[0]))

/* The place of a type in that order, from 1; 0 for one that is not part of a layout. */
static uint16_t find_place(uint16_t type)
{
	for (uint16_t i = 0; i < LAYOUT_RECORDS; i++)
		if (layout_records[i].type == type)
			return (uint16_t)(i + 1);
	return 0;
}

static int check_order(struct rf_reader *reader, uint16_t place)
{
	if (place < reader->last_place ||
	    (place == reader->last_place && !layout_records[place - 1].is_repeated))
		return rf_record_corrupt(reader, "it is out of order");
	for (uint16_t skipped = (uint16_t)(reader->last_place + 1); skipped < place; skipped++)
		if (layout_records[skipped - 1].is_required)
			return rf_record_corrupt(reader, "a record is missing before it");
	reader->last_place = place;
	return 0;
}

/* The least that a whole image holds from the next record on. */
static size_t least_left(const struct rf_reader *reader, const struct rf_image *image)
{
	size_t mappings = image->head.mappings - image->mappings_read;
	size_t bytes = HEADER_BYTES + END_BYTES; /* LAYOUT and END */

	if (reader->last_place < find_place(RF_RECORD_IMAGE))
		bytes += HEADER_BYTES + sizeof(struct rf_image_head);
	if (reader->last_place < find_place(RF_RECORD_PROCESS))
		bytes += LEAST_PROCESS_BYTES;
	if (reader->last_place < find_place(RF_RECORD_SIGACTIONS))
		bytes += SIGACTIONS_BYTES;
	/* of a head that has not come yet: one thread */
	bytes += (image->head.threads ? image->head.threads - image->threads_read : 1) *
		 (HEADER_BYTES + sizeof(struct rf_image_thread));
	bytes += (image->head.files - image->files_read) * LEAST_FILE_BYTES;
	bytes += (image->head.descriptors - image->descriptors_read) *
		 (HEADER_BYTES + sizeof(struct rf_image_descriptor));
	return bytes + (mappings ? HEADER_BYTES : 0) + mappings * sizeof(struct rf_image_mapping);
}

/* Known, but no part of a layout. */
static bool is_out_of_place(uint16_t type)
{
	return type == RF_RECORD_PAGES || type == RF_RECORD_END || type == RF_RECORD_FORECAST;
}

int rf_reader_layout(struct rf_reader *reader, struct rf_image *image)
{
	memset(image, 0, sizeof(*image));
	while (reader->last_place != LAYOUT_RECORDS) {
		struct rf_record_header header;
		size_t left = least_left(reader, image);
		uint16_t place;
		int error = rf_record_read_header(reader, &header, left);

		if (error < 0)
			return error;
		left = left > END_BYTES + HEADER_BYTES + header.length_bytes
			       ? left - HEADER_BYTES - header.length_bytes
			       : END_BYTES;
		place = find_place(header.type);
		if (!place && reader->last_place && !is_out_of_place(header.type)) {
			error = rf_record_skip(reader, &header);
		} else {
			error = place ? check_order(reader, place)
				      : rf_record_corrupt(reader, "it is out of order");
			if (error == 0)
				error = rf_record_read_payload(reader, &header, left);
			if (error == 0)
				error = layout_records[place - 1].take(reader, image,
								       header.length_bytes);
		}
		if (error < 0)
			return error;
		reader->sequence++;
	}
	return 0;
}

/* -- the forecast -------------------------------------------------------------------------------- */

#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)

static bool is_foreseeable(const struct rf_image_mapping *mapping)
{
	return !(mapping->flags & RF_MAPPING_SHARED) &&
	       (mapping->kind == RF_MAPPING_FILE ||
		mapping->end - mapping->start < HUGE_PAGE_BYTES);
}

/* Takes the runs; each must lie within one of the mappings. */
static int take_expected_runs(struct rf_reader *reader, struct rf_reader_forecast *forecast,
			      const unsigned char *source, uint32_t count)
{
	uint64_t last_end = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct rf_image_run *run = &forecast->runs[i];
		uint64_t end;

		memcpy(run, source + i * sizeof(*run), sizeof(*run));
		end = run->address + (uint64_t)run->pages * PAGE_BYTES;
		if (run->pages == 0 || run->address % PAGE_BYTES || run->kind != RF_RUN_DATA ||
		    run->address < last_end || end < run->address ||
		    rf_image_find_mapping(&forecast->image, run->address, end) == SIZE_MAX)
			return rf_record_corrupt(reader, "a run of FORECAST is out of range");
		last_end = end;
	}
	forecast->run_count = count;
	return 0;
}

static int take_expected_files(struct rf_reader *reader, struct rf_image *image,
			       const unsigned char *source, const char *path, size_t path_bytes)
{
	for (uint32_t i = 0; i < image->head.files; i++) {
		size_t length = strnlen(path, path_bytes);
		struct rf_image_file fields;
		int error;

		if (length == path_bytes)
			return rf_record_corrupt(reader, "a path of FORECAST has no end");
		memcpy(&fields, source + i * sizeof(fields), sizeof(fields));
		error = add_file(reader, image, &fields, path, length);
		if (error < 0)
			return error;
		path += length + 1;
		path_bytes -= length + 1;
	}
	return path_bytes ? rf_record_corrupt(reader, "FORECAST has another length") : 0;
}

static int take_forecast(struct rf_reader *reader, struct rf_reader_forecast *forecast,
			 size_t bytes)
{
	struct rf_image *image = &forecast->image;
	struct rf_image_forecast head;
	const unsigned char *files = reader->payload + sizeof(head), *mappings, *runs, *paths;
	int error;

	if (bytes < sizeof(head) || bytes > RF_FORECAST_MAX_BYTES)
		return rf_record_corrupt(reader, "FORECAST has another length");
	memcpy(&head, reader->payload, sizeof(head));
	if (head.files > RF_FORECAST_MAX_FILES || head.mappings > RF_FORECAST_MAX_MAPPINGS ||
	    head.runs > RF_FORECAST_MAX_RUNS || head.path_bytes > bytes)
		return rf_record_corrupt(reader, "a count of FORECAST is over its limit");
	mappings = files + head.files * sizeof(struct rf_image_file);
	runs = mappings + head.mappings * sizeof(struct rf_image_mapping);
	paths = runs + head.runs * sizeof(struct rf_image_run);
	if (paths + head.path_bytes != reader->payload + bytes)
		return rf_record_corrupt(reader, "FORECAST has another length");
	memcpy(image->head.boot_id, head.boot_id, sizeof(head.boot_id));
	image->head.files = head.files;
	image->head.mappings = head.mappings;
	image->files = calloc(head.files + 1, sizeof(*image->files));
	image->mappings = calloc(head.mappings + 1, sizeof(*image->mappings));
	if (!image->files || !image->mappings)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	error = take_expected_files(reader, image, files, (const char *)paths, head.path_bytes);
	if (error == 0)
		error = add_mappings(reader, image, mappings, head.mappings);
	for (uint32_t i = 0; i < head.mappings && error == 0; i++)
		if (!is_foreseeable(&image->mappings[i]))
			error = rf_record_corrupt(reader, "a mapping cannot be forecast");
	return error < 0 ? error : take_expected_runs(reader, forecast, runs, head.runs);
}

int rf_reader_forecast(struct rf_reader *reader, struct rf_reader_forecast *forecast)
{
	struct rf_record_header header;
	size_t left;
	int error;

	memset(forecast, 0, sizeof(*forecast));
	left = least_left(reader, &forecast->image);
	error = rf_record_read_header(reader, &header, left);
	if (error < 0)
		return error;
	if (header.type != RF_RECORD_FORECAST) {
		reader->next -= sizeof(header); /* for whoever reads the layout */
		return 0;
	}
	error = rf_record_read_payload(reader, &header, left);
	if (error == 0)
		error = take_forecast(reader, forecast, header.length_bytes);
	if (error == 0)
		reader->sequence++;
	return error;
}
