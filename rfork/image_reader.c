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
#include "rfork/image_record.h"
#include "rfork/protection_keys.h"
#include "rfork/vdso_mark.h"

#define PAGE_BYTES 4096u

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
	for (uint32_t i = 0; i < image->threads_read; i++) {
		free(image->threads[i].xsave);
		free(image->threads[i].attributes);
	}
	free(image->threads);
	free(image->vdso_code);
	for (uint32_t i = 0; i < image->files_read; i++)
		free(image->files[i].path);
	free(image->files);
	free(image->descriptors);
	free(image->mappings);
	free(image->shared);
	free(image->marks);
	free(image->timers);
	free(image->pending);
	for (uint32_t i = 0; i < image->pipe_count; i++)
		free(image->pipes[i].lengths);
	free(image->pipes);
	rf_record_release_objects(image);
	free(image->locks);
	free(image->lost);
	free(image->parent_path);
	*image = (struct rf_image){ 0 };
}

void rf_reader_release(struct rf_reader *reader)
{
	free(reader->payload);
	reader->payload = NULL;
}

/* -- records of the layout --------------------------------------------------------------------- */

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
	if (head->reserved1)
		return rf_record_corrupt(reader, "a reserved field is in use");
	if (head->threads == 0)
		return rf_record_corrupt(reader, "it has no thread");
	if (head->threads > RF_IMAGE_MAX_THREADS || head->files > RF_IMAGE_MAX_FILES ||
	    head->objects > RF_IMAGE_MAX_OBJECTS || head->descriptors > RF_IMAGE_MAX_DESCRIPTORS ||
	    head->mappings > RF_IMAGE_MAX_MAPPINGS || head->mappings == 0)
		return rf_record_corrupt(reader, "a count is over its limit");
	image->threads = calloc(head->threads, sizeof(*image->threads));
	image->files = calloc(head->files + 1, sizeof(*image->files));
	image->objects = calloc(head->objects + 1, sizeof(*image->objects));
	image->descriptors = calloc(head->descriptors + 1, sizeof(*image->descriptors));
	image->mappings = calloc(head->mappings, sizeof(*image->mappings));
	if (!image->threads || !image->files || !image->objects || !image->descriptors ||
	    !image->mappings)
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
	if (process->protection_keys & ~RF_PROTECTION_KEYS_ALL || process->reserved2 ||
	    process->umask > 0777)
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
	if (thread->flags & ~(RF_THREAD_INTERRUPTED | RF_THREAD_KEY_RIGHTS) ||
	    (thread->key_rights && !(thread->flags & RF_THREAD_KEY_RIGHTS)))
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

static int take_vdso_code(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	const struct rf_image_vdso_area *code =
		rf_vdso_code_area(image->vdso_areas, image->vdso.areas);

	if (!code || bytes > RF_IMAGE_MAX_VDSO_CODE_BYTES || bytes != code->end - code->start)
		return rf_record_corrupt(reader, "VDSO_CODE has another length than VDSO says");
	if (rf_digest64(reader->payload, bytes) != image->vdso.digest)
		return rf_record_corrupt(reader, "VDSO_CODE is of another digest than VDSO says");
	image->vdso_code = malloc(bytes);
	if (!image->vdso_code)
		return rf_report(reader->report, ENOMEM, "no memory for the layout of the image");
	memcpy(image->vdso_code, reader->payload, bytes);
	return 0;
}

static int take_layout(struct rf_reader *reader, struct rf_image *image, size_t bytes)
{
	if (bytes)
		return rf_record_corrupt(reader, "LAYOUT has another length");
	if (image->threads_read != image->head.threads || image->files_read != image->head.files ||
	    image->objects_read != image->head.objects ||
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
	{ rf_record_take_origin, RF_RECORD_ORIGIN, false, false },
	{ rf_record_take_machine, RF_RECORD_MACHINE, false, false },
	{ rf_record_take_clocks, RF_RECORD_CLOCKS, false, false },
	{ rf_record_take_identity, RF_RECORD_IDENTITY, false, false },
	{ rf_record_take_rights, RF_RECORD_RIGHTS, false, false },
	{ take_process, RF_RECORD_PROCESS, true, false },
	{ take_sigactions, RF_RECORD_SIGACTIONS, true, false },
	{ rf_record_take_state, RF_RECORD_STATE, false, false },
	{ take_thread, RF_RECORD_THREAD, true, true },
	{ rf_record_take_thread_state, RF_RECORD_THREAD_STATE, false, true },
	{ rf_record_take_timers, RF_RECORD_TIMERS, false, false },
	{ rf_record_take_pending, RF_RECORD_PENDING, false, true },
	{ take_vdso, RF_RECORD_VDSO, false, false },
	{ take_vdso_code, RF_RECORD_VDSO_CODE, false, false },
	{ rf_record_take_file, RF_RECORD_FILE, false, true },
	{ rf_record_take_pipe, RF_RECORD_PIPE, false, true },
	{ rf_record_take_object, RF_RECORD_OBJECT, false, true },
	{ rf_record_take_descriptor, RF_RECORD_DESCRIPTOR, false, true },
	{ rf_record_take_watches, RF_RECORD_WATCHES, false, true },
	{ rf_record_take_locks, RF_RECORD_LOCKS, false, false },
	{ rf_record_take_lost, RF_RECORD_LOST, false, false },
	{ rf_record_take_mappings, RF_RECORD_MAPPING, true, true },
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

size_t rf_record_least_left(const struct rf_reader *reader, const struct rf_image *image)
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
	bytes += (image->head.objects - image->objects_read) *
		 (HEADER_BYTES + sizeof(struct rf_image_object));
	bytes += (image->head.descriptors - image->descriptors_read) *
		 (HEADER_BYTES + sizeof(struct rf_image_descriptor));
	return bytes + (mappings ? HEADER_BYTES : 0) + mappings * sizeof(struct rf_image_mapping);
}

/* Known, but no part of a layout. */
static bool is_out_of_place(uint16_t type)
{
	return type == RF_RECORD_PAGES || type == RF_RECORD_END || type == RF_RECORD_FORECAST ||
	       type == RF_RECORD_SEGMENTS || type == RF_RECORD_CHUNKS || type == RF_RECORD_ROAD ||
	       type == RF_RECORD_REMOTE_PAGES || type == RF_RECORD_CONTENT ||
	       type == RF_RECORD_MARKS || type == RF_RECORD_FILLED;
}

int rf_reader_layout(struct rf_reader *reader, struct rf_image *image)
{
	memset(image, 0, sizeof(*image));
	while (reader->last_place != LAYOUT_RECORDS) {
		struct rf_record_header header;
		size_t left = rf_record_least_left(reader, image);
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
