/* SPDX-License-Identifier: MIT */
/*
 * Reads images.  Every byte is hostile until its digest and its limits have been
 * checked: header digest, length, sequence, order, payload digest, then fields.
 * Called by the shell; must not act on an image, only say what is in it.
 */
#define _GNU_SOURCE
#include "rfork/image_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/arch.h"
#include "rfork/digest.h"
#include "rfork/io.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define KNOWN_PROTECTION (RF_PROTECTION_READ | RF_PROTECTION_WRITE | RF_PROTECTION_EXECUTE)
#define KNOWN_MAPPING_FLAGS (RF_MAPPING_SHARED | RF_MAPPING_GROWSDOWN | RF_MAPPING_DIGEST)
#define KNOWN_DESCRIPTOR_FLAGS (RF_DESCRIPTOR_CLOEXEC | RF_DESCRIPTOR_MAY_CLOSE)

/* The shortest records: what is certain to follow may be read ahead. */
#define HEADER_BYTES sizeof(struct rf_record_header)
#define END_BYTES (HEADER_BYTES + sizeof(struct rf_image_end))
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

void rf_reader_release(struct rf_reader *reader, struct rf_image *image)
{
	for (uint32_t i = 0; i < image->files_read; i++)
		free(image->files[i].path);
	free(image->files);
	free(image->descriptors);
	free(image->mappings);
	free(reader->payload);
	image->files = NULL;
	image->descriptors = NULL;
	image->mappings = NULL;
	image->files_read = 0;
	reader->payload = NULL;
}

/* -- records ------------------------------------------------------------------------------- */

static int corrupt(struct rf_reader *reader, const char *what)
{
	return rf_report(reader->report, EBADMSG, "the image is corrupt: record %lu, %s",
			 reader->sequence, what);
}

static int read_failed(struct rf_reader *reader, int error)
{
	if (error == -ECONNRESET)
		return rf_report(reader->report, ECONNRESET, "the image ended early, in record %lu",
				 reader->sequence);
	if (error == -EFAULT)
		return rf_report(reader->report, ENOMEM, "no memory for pages of record %lu",
				 reader->sequence);
	return rf_report(reader->report, -error, "reading the image: %m");
}

/* Reads until the buffer holds `bytes`, and as many of the `ahead` bytes after them as are there. */
static int fill(struct rf_reader *reader, size_t bytes, size_t ahead)
{
	size_t room = sizeof(reader->buffer) - bytes;
	size_t want = bytes + (ahead < room ? ahead : room);

	reader->filled -= reader->next;
	memmove(reader->buffer, reader->buffer + reader->next, reader->filled);
	reader->next = 0;
	while (reader->filled < bytes) {
		ssize_t got = rf_sys_read(reader->fd, reader->buffer + reader->filled,
					  want - reader->filled);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return read_failed(reader, got ? (int)got : -ECONNRESET);
		reader->filled += (size_t)got;
	}
	return 0;
}

static size_t take_buffered(struct rf_reader *reader, void *buffer, size_t bytes)
{
	size_t there = reader->filled - reader->next;

	if (bytes > there)
		bytes = there;
	memcpy(buffer, reader->buffer + reader->next, bytes);
	reader->next += bytes;
	return bytes;
}

/* Reads `bytes`; the stream is certain to hold another `ahead` bytes after them. */
static int read_bytes(struct rf_reader *reader, void *buffer, size_t bytes, size_t ahead)
{
	size_t done = take_buffered(reader, buffer, bytes);
	int error;

	if (done == bytes)
		return 0;
	if (bytes - done > sizeof(reader->buffer)) {
		error = rf_io_read_full(reader->fd, (char *)buffer + done, bytes - done,
					RF_NO_DEADLINE);
		return error < 0 ? read_failed(reader, error) : 0;
	}
	error = fill(reader, bytes - done, ahead);
	if (error == 0)
		take_buffered(reader, (char *)buffer + done, bytes - done);
	return error;
}

/* `left`: bytes that the stream is certain to hold from this header on. */
static int read_header(struct rf_reader *reader, struct rf_record_header *header, size_t left)
{
	int error = read_bytes(reader, header, sizeof(*header), left - sizeof(*header));

	if (error < 0)
		return error;
	if (header->header_digest !=
	    rf_digest64(header, offsetof(struct rf_record_header, header_digest)))
		return corrupt(reader, reader->sequence ? "the header's digest is wrong"
							: "not an rfork image");
	if (header->length_bytes > RF_RECORD_MAX_BYTES)
		return corrupt(reader, "it is too long");
	if (header->sequence != reader->sequence)
		return corrupt(reader, "its sequence number is wrong");
	if (header->flags & ~RF_RECORD_OPTIONAL)
		return corrupt(reader, "it has unknown flags");
	return 0;
}

static int read_payload(struct rf_reader *reader, const struct rf_record_header *header,
			size_t ahead)
{
	int error = read_bytes(reader, reader->payload, header->length_bytes, ahead);

	if (error < 0)
		return error;
	if (header->payload_digest != rf_digest64(reader->payload, header->length_bytes))
		return corrupt(reader, "the payload's digest is wrong");
	return 0;
}

/* Reads away an unknown optional record; refuses any other unknown one. */
static int skip_unknown(struct rf_reader *reader, const struct rf_record_header *header)
{
	if (!(header->flags & RF_RECORD_OPTIONAL))
		return rf_report(reader->report, ENOTSUP, "record type %u is not supported",
				 header->type);
	return read_payload(reader, header, END_BYTES);
}

/* -- records of the layout ---------------------------------------------------------------------- */

static int take_image(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_head *head = &image->head;

	if (bytes != sizeof(*head))
		return corrupt(reader, "IMAGE has another length");
	memcpy(head, reader->payload, bytes);
	if (memcmp(head->magic, RF_IMAGE_MAGIC, sizeof(head->magic)) != 0)
		return corrupt(reader, "not an rfork image");
	if (head->version != RF_IMAGE_VERSION)
		return rf_report(reader->report, EPROTONOSUPPORT,
				 "image version %u is not supported", head->version);
	if (head->architecture != RF_ARCHITECTURE_X86_64 || head->page_bytes != PAGE_BYTES)
		return rf_report(reader->report, ENOEXEC,
				 "the image is of another architecture or page size");
	if (head->reserved1 || head->reserved2)
		return corrupt(reader, "a reserved field is in use");
	if (head->threads == 0)
		return corrupt(reader, "it has no thread");
	if (head->threads != 1)
		return rf_report(reader->report, ENOTSUP, "images of %u threads are not supported",
				 head->threads);
	if (head->files > RF_IMAGE_MAX_FILES || head->descriptors > RF_IMAGE_MAX_DESCRIPTORS ||
	    head->mappings > RF_IMAGE_MAX_MAPPINGS || head->mappings == 0)
		return corrupt(reader, "a count is over its limit");
	image->files = calloc(head->files + 1, sizeof(*image->files));
	image->descriptors = calloc(head->descriptors + 1, sizeof(*image->descriptors));
	image->mappings = calloc(head->mappings, sizeof(*image->mappings));
	if (!image->files || !image->descriptors || !image->mappings)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	return 0;
}

static int take_process(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_process *process = &image->process;
	const unsigned char *rest = reader->payload + sizeof(*process);

	if (bytes < sizeof(*process))
		return corrupt(reader, "PROCESS is too short");
	memcpy(process, reader->payload, sizeof(*process));
	if (process->auxv_bytes > RF_IMAGE_MAX_AUXV_BYTES || process->auxv_bytes % 16 ||
	    process->cwd_bytes > RF_IMAGE_MAX_PATH_BYTES ||
	    bytes != sizeof(*process) + process->auxv_bytes + process->cwd_bytes)
		return corrupt(reader, "PROCESS has another length");
	if (process->reserved1 || process->reserved2 || process->umask > 0777)
		return corrupt(reader, "PROCESS has a field out of range");
	memcpy(image->auxv, rest, process->auxv_bytes);
	memcpy(image->cwd, rest + process->auxv_bytes, process->cwd_bytes);
	image->cwd[process->cwd_bytes] = '\0';
	process->comm[sizeof(process->comm) - 1] = '\0';
	if (image->cwd[0] != '/' || strlen(image->cwd) != process->cwd_bytes)
		return corrupt(reader, "the working directory is no absolute path");
	return 0;
}

static int take_sigactions(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes != sizeof(image->sigactions))
		return corrupt(reader, "SIGACTIONS has another length");
	memcpy(image->sigactions, reader->payload, bytes);
	return 0;
}

static bool is_user_range(const struct rf_reader *reader, uint64_t start, uint64_t bytes)
{
	return start >= reader->min_address && start < reader->max_address &&
	       bytes <= reader->max_address - start;
}

static int take_thread(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_thread *thread = &image->thread;

	if (bytes < sizeof(*thread))
		return corrupt(reader, "THREAD is too short");
	memcpy(thread, reader->payload, sizeof(*thread));
	if (thread->xsave_bytes > sizeof(image->xsave) ||
	    bytes != sizeof(*thread) + thread->xsave_bytes)
		return corrupt(reader, "THREAD has another length");
	if (thread->reserved1 || thread->reserved2)
		return corrupt(reader, "a reserved field is in use");
	if ((thread->rseq_address &&
	     !is_user_range(reader, thread->rseq_address, thread->rseq_bytes)) ||
	    (thread->tid_address && !is_user_range(reader, thread->tid_address, 4)) ||
	    thread->tid_address % 4)
		return corrupt(reader, "THREAD has an address out of range");
	memcpy(image->xsave, reader->payload + sizeof(*thread), thread->xsave_bytes);
	return rf_arch_check_thread(thread, reader->report);
}

static int take_vdso(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_vdso *vdso = &image->vdso;
	uint64_t last = reader->min_address;
	unsigned codes = 0;

	if (bytes < sizeof(*vdso))
		return corrupt(reader, "VDSO is too short");
	memcpy(vdso, reader->payload, sizeof(*vdso));
	if (vdso->areas == 0 || vdso->areas > RF_IMAGE_MAX_VDSO_AREAS || vdso->reserved ||
	    bytes != sizeof(*vdso) + vdso->areas * sizeof(image->vdso_areas[0]))
		return corrupt(reader, "VDSO has a field out of range");
	memcpy(image->vdso_areas, reader->payload + sizeof(*vdso), bytes - sizeof(*vdso));
	for (uint32_t i = 0; i < vdso->areas; i++) {
		const struct rf_image_vdso_area *area = &image->vdso_areas[i];

		if (area->start < last || area->end <= area->start ||
		    area->end > reader->max_address || (area->start | area->end) % PAGE_BYTES ||
		    area->reserved || (area->kind != RF_VDSO_CODE && area->kind != RF_VDSO_DATA))
			return corrupt(reader, "an area of the vdso is out of range");
		codes += area->kind == RF_VDSO_CODE;
		last = area->end;
	}
	return codes == 1 ? 0 : corrupt(reader, "there is not one vdso");
}

static int take_file(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_reader_file *file;
	size_t length;

	if (image->files_read == image->head.files)
		return corrupt(reader, "more FILE records than announced");
	if (bytes <= sizeof(file->image) || bytes - sizeof(file->image) > RF_IMAGE_MAX_PATH_BYTES)
		return corrupt(reader, "FILE has another length");
	file = &image->files[image->files_read];
	length = bytes - sizeof(file->image);
	memcpy(&file->image, reader->payload, sizeof(file->image));
	file->path = malloc(length + 1);
	if (!file->path)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	memcpy(file->path, reader->payload + sizeof(file->image), length);
	file->path[length] = '\0';
	image->files_read++;
	if (file->image.index != image->files_read - 1 || file->path[0] != '/' ||
	    strlen(file->path) != length)
		return corrupt(reader, "FILE has a field out of range");
	return 0;
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

static int take_descriptor(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	struct rf_image_descriptor descriptor;
	uint32_t count = image->descriptors_read;

	if (count == image->head.descriptors)
		return corrupt(reader, "more DESCRIPTOR records than announced");
	if (bytes != sizeof(descriptor))
		return corrupt(reader, "DESCRIPTOR has another length");
	memcpy(&descriptor, reader->payload, sizeof(descriptor));
	if (descriptor.number > RF_IMAGE_MAX_FD || descriptor.reserved ||
	    descriptor.flags & ~KNOWN_DESCRIPTOR_FLAGS ||
	    (count && descriptor.number <= image->descriptors[count - 1].number) ||
	    (descriptor.same_as != RF_IMAGE_NONE &&
	     !is_known_descriptor(image, descriptor.same_as)))
		return corrupt(reader, "DESCRIPTOR has a field out of range");
	switch (descriptor.kind) {
	case RF_DESCRIPTOR_RELAY_OUT:
		if (descriptor.number != 1 && descriptor.number != 2)
			return corrupt(reader, "a relay is not standard output or error");
		break;
	case RF_DESCRIPTOR_EMPTY:
		break;
	case RF_DESCRIPTOR_FILE:
		if (descriptor.same_as == RF_IMAGE_NONE && descriptor.file >= image->files_read)
			return corrupt(reader, "a descriptor has an unknown file");
		break;
	default:
		return rf_report(reader->report, ENOTSUP, "descriptor %u: kind %u is not supported",
				 descriptor.number, descriptor.kind);
	}
	image->descriptors[image->descriptors_read++] = descriptor;
	return 0;
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

static int take_mappings(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	size_t count = bytes / sizeof(image->mappings[0]);

	if (bytes == 0 || bytes % sizeof(image->mappings[0]))
		return corrupt(reader, "MAPPING has another length");
	if (count > image->head.mappings - image->mappings_read)
		return corrupt(reader, "more mappings than announced");
	for (size_t i = 0; i < count; i++) {
		struct rf_image_mapping *mapping = &image->mappings[image->mappings_read];
		uint64_t last_end = image->mappings_read ? mapping[-1].end : 0;
		const char *fault;

		memcpy(mapping, reader->payload + i * sizeof(*mapping), sizeof(*mapping));
		fault = find_fault(reader, image, mapping, last_end);
		if (fault)
			return rf_report(reader->report, EBADMSG,
					 "the image is corrupt: mapping %lx-%lx: %s",
					 mapping->start, mapping->end, fault);
		image->mappings_read++;
	}
	return 0;
}

static int take_layout(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes)
		return corrupt(reader, "LAYOUT has another length");
	if (image->files_read != image->head.files ||
	    image->descriptors_read != image->head.descriptors ||
	    image->mappings_read != image->head.mappings)
		return corrupt(reader, "fewer records than announced");
	return 0;
}

/* By type; types stand in the order in which records must come. */
static const struct {
	int (*take)(struct rf_reader *reader, struct rf_image *image, size_t bytes);
	bool is_required, is_repeated;
} layout_records[] = {
	[RF_RECORD_IMAGE] = { take_image, true, false },
	[RF_RECORD_PROCESS] = { take_process, true, false },
	[RF_RECORD_SIGACTIONS] = { take_sigactions, true, false },
	[RF_RECORD_THREAD] = { take_thread, true, false },
	[RF_RECORD_VDSO] = { take_vdso, false, false },
	[RF_RECORD_FILE] = { take_file, false, true },
	[RF_RECORD_DESCRIPTOR] = { take_descriptor, false, true },
	[RF_RECORD_MAPPING] = { take_mappings, true, true },
	[RF_RECORD_LAYOUT] = { take_layout, true, false },
};

static int check_order(struct rf_reader *reader, uint16_t type)
{
	if (type < reader->last_type ||
	    (type == reader->last_type && !layout_records[type].is_repeated))
		return corrupt(reader, "it is out of order");
	for (uint16_t skipped = (uint16_t)(reader->last_type + 1); skipped < type; skipped++)
		if (layout_records[skipped].is_required)
			return corrupt(reader, "a record is missing before it");
	reader->last_type = type;
	return 0;
}

/* The least that a whole image holds from the next record on. */
static size_t least_left(const struct rf_reader *reader, const struct rf_image *image)
{
	size_t mappings = image->head.mappings - image->mappings_read;
	size_t bytes = HEADER_BYTES + END_BYTES; /* LAYOUT and END */

	if (reader->last_type < RF_RECORD_IMAGE)
		bytes += HEADER_BYTES + sizeof(struct rf_image_head);
	if (reader->last_type < RF_RECORD_PROCESS)
		bytes += LEAST_PROCESS_BYTES;
	if (reader->last_type < RF_RECORD_SIGACTIONS)
		bytes += SIGACTIONS_BYTES;
	if (reader->last_type < RF_RECORD_THREAD)
		bytes += HEADER_BYTES + sizeof(struct rf_image_thread);
	bytes += (image->head.files - image->files_read) * LEAST_FILE_BYTES;
	bytes += (image->head.descriptors - image->descriptors_read) *
		 (HEADER_BYTES + sizeof(struct rf_image_descriptor));
	return bytes + (mappings ? HEADER_BYTES : 0) + mappings * sizeof(struct rf_image_mapping);
}

int rf_reader_layout(struct rf_reader *reader, struct rf_image *image)
{
	memset(image, 0, sizeof(*image));
	while (reader->last_type != RF_RECORD_LAYOUT) {
		struct rf_record_header header;
		size_t left = least_left(reader, image);
		bool is_known;
		int error = read_header(reader, &header, left);

		if (error < 0)
			return error;
		left = left > END_BYTES + HEADER_BYTES + header.length_bytes
			       ? left - HEADER_BYTES - header.length_bytes
			       : END_BYTES;
		is_known = header.type >= RF_RECORD_IMAGE && header.type <= RF_RECORD_END;
		if (!is_known && reader->last_type) {
			error = skip_unknown(reader, &header);
		} else {
			error = header.type >= RF_RECORD_IMAGE && header.type <= RF_RECORD_LAYOUT
					? check_order(reader, header.type)
					: corrupt(reader, "it is out of order");
			if (error == 0)
				error = read_payload(reader, &header, left);
			if (error == 0)
				error = layout_records[header.type].take(reader, image,
									 header.length_bytes);
		}
		if (error < 0)
			return error;
		reader->sequence++;
	}
	return 0;
}

/* -- pages -------------------------------------------------------------------------------------- */

size_t rf_image_find_mapping(const struct rf_image *image, uint64_t start, uint64_t end)
{
	size_t low = 0;
	size_t high = image->head.mappings;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->mappings[middle].end <= start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < image->head.mappings && image->mappings[low].start <= start &&
	    end <= image->mappings[low].end)
		return low;
	return SIZE_MAX;
}

/* The PAGES record at hand. */
struct page_record {
	struct rf_image_pages head;
	struct rf_image_run runs[RF_PAGES_MAX_RUNS];
	struct iovec data[RF_PAGES_MAX_RUNS + 1]; /* [0] is head and runs as they came */
	int pieces;
	uint32_t data_pages;
};

static int check_run(struct rf_reader *reader, const struct rf_image *image,
		     struct page_record *record, uint32_t index, size_t *mapping)
{
	const struct rf_image_run *run = &record->runs[index];
	uint64_t bytes = (uint64_t)run->pages * PAGE_BYTES;

	if (run->pages == 0 || run->address % PAGE_BYTES || run->address > UINT64_MAX - bytes ||
	    run->kind > RF_RUN_GUARD)
		return corrupt(reader, "a run of pages is malformed");
	if (index && run->address < run[-1].address + (uint64_t)run[-1].pages * PAGE_BYTES)
		return corrupt(reader, "runs of pages are out of order");
	*mapping = rf_image_find_mapping(image, run->address, run->address + bytes);
	if (*mapping == SIZE_MAX)
		return corrupt(reader, "pages lie outside the mappings");
	if (image->mappings[*mapping].kind == RF_MAPPING_FILE &&
	    image->mappings[*mapping].flags & RF_MAPPING_SHARED)
		return corrupt(reader, "pages lie in a shared file");
	if (run->kind == RF_RUN_DATA) {
		if (run->pages > RF_PAGES_MAX_DATA_PAGES - record->data_pages)
			return corrupt(reader, "it has too many pages");
		record->data_pages += run->pages;
	}
	return 0;
}

static int locate_runs(struct rf_reader *reader, const struct rf_image *image,
		       struct page_record *record, rf_reader_locate locate, void *context)
{
	for (uint32_t i = 0; i < record->head.runs; i++) {
		const struct rf_image_run *run = &record->runs[i];
		uint64_t offset = 0;
		size_t mapping = SIZE_MAX;
		int error = check_run(reader, image, record, i, &mapping);

		if (error == 0)
			error = locate(context, mapping, run, &offset);
		if (error < 0)
			return error;
		if (run->kind == RF_RUN_DATA)
			record->data[record->pieces++] =
				(struct iovec){ (void *)(uintptr_t)(run->address + offset),
						(size_t)run->pages * PAGE_BYTES };
	}
	return 0;
}

/* Reads the head and the run table of a PAGES record; the data stay in the stream. */
static int read_run_table(struct rf_reader *reader, const struct rf_record_header *header,
			  struct page_record *record)
{
	size_t table_bytes;
	int error;

	if (header->length_bytes < sizeof(record->head))
		return corrupt(reader, "PAGES is too short");
	error = read_bytes(reader, &record->head, sizeof(record->head), 0);
	if (error < 0)
		return error;
	if (record->head.runs == 0 || record->head.runs > RF_PAGES_MAX_RUNS ||
	    record->head.reserved)
		return corrupt(reader, "PAGES has a field out of range");
	table_bytes = record->head.runs * sizeof(record->runs[0]);
	if (header->length_bytes - sizeof(record->head) < table_bytes)
		return corrupt(reader, "PAGES is too short");
	record->data[0] = (struct iovec){ &record->head, sizeof(record->head) + table_bytes };
	record->pieces = 1;
	record->data_pages = 0;
	return read_bytes(reader, record->runs, table_bytes, 0);
}

_Static_assert(offsetof(struct page_record, runs) ==
		       offsetof(struct page_record, head) + sizeof(struct rf_image_pages),
	       "head and runs lie together, as they are digested");

/* Reads page data straight to where they belong; modifies iov. */
static int read_data(struct rf_reader *reader, struct iovec *iov, int count)
{
	int error;

	for (; count; iov++, count--) {
		size_t done = take_buffered(reader, iov->iov_base, iov->iov_len);

		if (done < iov->iov_len) {
			iov->iov_base = (char *)iov->iov_base + done;
			iov->iov_len -= done;
			break;
		}
	}
	error = rf_io_readv_full(reader->fd, iov, count);
	return error < 0 ? read_failed(reader, error) : 0;
}

static int read_pages(struct rf_reader *reader, const struct rf_image *image,
		      const struct rf_record_header *header, struct page_record *record,
		      rf_reader_locate locate, void *context)
{
	struct iovec remaining[RF_PAGES_MAX_RUNS];
	int error = read_run_table(reader, header, record);

	if (error == 0)
		error = locate_runs(reader, image, record, locate, context);
	if (error < 0)
		return error;
	if (header->length_bytes !=
	    record->data[0].iov_len + (size_t)record->data_pages * PAGE_BYTES)
		return corrupt(reader, "PAGES has another length");
	memcpy(remaining, record->data + 1, (size_t)(record->pieces - 1) * sizeof(remaining[0]));
	error = read_data(reader, remaining, record->pieces - 1);
	if (error < 0)
		return error;
	if (header->payload_digest != rf_digest64_iov(record->data, record->pieces))
		return corrupt(reader, "the pages' digest is wrong");
	reader->data_pages += record->data_pages;
	return 0;
}

static int take_end(struct rf_reader *reader, const struct rf_record_header *header)
{
	struct rf_image_end end;
	int error;

	if (header->length_bytes != sizeof(end))
		return corrupt(reader, "END has another length");
	error = read_payload(reader, header, 0);
	if (error < 0)
		return error;
	memcpy(&end, reader->payload, sizeof(end));
	if (end.records != reader->sequence + 1 || end.data_pages != reader->data_pages)
		return corrupt(reader, "END counts otherwise");
	return 0;
}

int rf_reader_pages(struct rf_reader *reader, const struct rf_image *image, rf_reader_locate locate,
		    void *context)
{
	struct page_record record;
	struct rf_record_header header;

	for (;; reader->sequence++) {
		int error = read_header(reader, &header, END_BYTES);

		if (error < 0)
			return error;
		if (header.type == RF_RECORD_END)
			return take_end(reader, &header);
		if (header.type == RF_RECORD_PAGES)
			error = read_pages(reader, image, &header, &record, locate, context);
		else if (header.type && header.type < RF_RECORD_END)
			error = corrupt(reader, "it is out of order");
		else
			error = skip_unknown(reader, &header);
		if (error < 0)
			return error;
	}
}
