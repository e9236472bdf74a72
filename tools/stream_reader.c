/* SPDX-License-Identifier: MIT */
/*
 * Makes a source of a stream: the image reader puts the pages into a file without a name, for a
 * stream cannot be read twice, and each run becomes a segment.  Called by open.c.
 */
#define _GNU_SOURCE
#include "tools/stream_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/io.h"

#define PAGE_BYTES 4096u

/* Where the pages go. */
struct spool {
	struct rf_source *source;
	struct rf_report *report;
	int fd;
	unsigned char *memory; /* of the whole file */
	uint64_t bytes, used;
	int content_fd; /* where bytes of files go; -1 = there are none yet */
	uint64_t content_used;
	size_t capacity; /* of source->segments */
};

bool rf_stream_is_one(int fd)
{
	struct {
		struct rf_record_header header;
		char magic[sizeof(RF_IMAGE_MAGIC) - 1];
	} start;

	return pread(fd, &start, sizeof(start), 0) == (ssize_t)sizeof(start) &&
	       start.header.type == RF_RECORD_IMAGE &&
	       memcmp(start.magic, RF_IMAGE_MAGIC, sizeof(start.magic)) == 0;
}

/* Finds room for as many pages as the head announces; what is never written costs nothing. */
static int open_spool(struct spool *spool)
{
	uint64_t pages = spool->source->image.head.data_pages;
	void *memory;

	if (pages == 0)
		return 0;
	if (pages > INT64_MAX / PAGE_BYTES)
		return rf_report(spool->report, EBADMSG, "its count of pages is over every limit");
	spool->bytes = pages * PAGE_BYTES;
	spool->fd = rf_io_above_stdio(memfd_create("stream", MFD_CLOEXEC));
	if (spool->fd < 0 || rf_source_own(spool->source, spool->fd) < 0 ||
	    ftruncate(spool->fd, (off_t)spool->bytes) < 0)
		return rf_report(spool->report, errno, "room for its pages: %m");
	memory = mmap(NULL, spool->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
		      spool->fd, 0);
	if (memory == MAP_FAILED)
		return rf_report(spool->report, errno, "room for its pages: %m");
	spool->memory = memory;
	return 0;
}

static struct rf_segment *add_segment(struct spool *spool)
{
	struct rf_source *source = spool->source;

	if (source->segment_count == spool->capacity) {
		size_t capacity = spool->capacity ? 2 * spool->capacity : 64;
		struct rf_segment *segments =
			reallocarray(source->segments, capacity, sizeof(*segments));

		if (!segments)
			return NULL;
		source->segments = segments;
		spool->capacity = capacity;
	}
	return &source->segments[source->segment_count++];
}

/* Gives the pages of a run their place, as the reader asks for it. */
static int locate(void *context, size_t mapping, const struct rf_image_run *run, uint64_t *offset)
{
	struct spool *spool = context;
	uint64_t bytes = (uint64_t)run->pages * PAGE_BYTES;
	struct rf_segment *segment = add_segment(spool);

	(void)mapping;
	if (!segment)
		return rf_report(spool->report, ENOMEM, "no memory for its runs of pages");
	*segment = (struct rf_segment){ .address = run->address, .bytes = bytes, .fd = -1 };
	if (run->kind == RF_RUN_GUARD) {
		segment->kind = RF_SEGMENT_GUARD;
		return 0;
	}
	if (bytes > spool->bytes - spool->used)
		return rf_report(spool->report, EBADMSG, "it has more pages than it announces");
	segment->fd = spool->fd;
	segment->offset = spool->used;
	*offset = (uintptr_t)spool->memory + spool->used - run->address;
	spool->used += bytes;
	return 0;
}

static int put_content(void *context, uint32_t object, uint64_t offset, const void *data,
		       size_t bytes)
{
	struct spool *spool = context;
	struct iovec piece = { (void *)data, bytes };
	int error;

	if (spool->content_fd < 0)
		spool->content_fd = rf_io_above_stdio(memfd_create("contents", MFD_CLOEXEC));
	if (spool->content_fd < 0)
		return rf_report(spool->report, errno, "room for its files: %m");
	error = rf_io_pwritev_full(spool->content_fd, &piece, 1, spool->content_used);
	if (error == 0)
		error = rf_source_add_content(
			spool->source, &(struct rf_source_content){ .object = object,
								    .fd = spool->content_fd,
								    .offset = offset,
								    .bytes = bytes,
								    .at = spool->content_used });
	spool->content_used += bytes;
	return error < 0 ? rf_report(spool->report, -error, "room for its files: %m") : 0;
}

/* The source's from now on. */
static int keep_contents(struct spool *spool)
{
	if (spool->content_fd >= 0 && rf_source_own(spool->source, spool->content_fd) < 0)
		return rf_report(spool->report, ENOMEM, "no memory for its files");
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	const struct rf_segment *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* Records may come in any order, but a source's segments do not. */
static int sort_segments(struct rf_source *source, struct rf_report *report)
{
	if (source->segment_count)
		qsort(source->segments, source->segment_count, sizeof(*source->segments),
		      compare_addresses);
	for (size_t i = 1; i < source->segment_count; i++)
		if (source->segments[i - 1].address + source->segments[i - 1].bytes >
		    source->segments[i].address)
			return rf_report(report, EBADMSG, "it has pages at %lx twice",
					 source->segments[i].address);
	return 0;
}

static int read_stream(struct rf_reader *reader, struct rf_source *source, struct rf_report *report)
{
	struct spool spool = { .source = source, .report = report, .fd = -1, .content_fd = -1 };
	const struct rf_content_sink contents = { .put = put_content, .context = &spool };
	int error = rf_reader_layout(reader, &source->image);

	if (error < 0)
		return error;
	rf_source_take_image(source);
	error = open_spool(&spool);
	reader->contents = &contents;
	if (error == 0)
		error = rf_reader_pages(reader, &source->image, locate, &spool);
	reader->contents = NULL;
	if (keep_contents(&spool) < 0 && error == 0)
		error = -ENOMEM;
	if (spool.memory)
		munmap(spool.memory, spool.bytes);
	return error < 0 ? error : sort_segments(source, report);
}

int rf_stream_open(struct rf_source *source, int fd, const char *path, uint64_t min_address,
		   uint64_t max_address, struct rf_report *report)
{
	struct rf_report fault = { 0 };
	struct rf_reader reader;
	int error = rf_reader_init(&reader, fd, min_address, max_address, &fault);

	rf_source_init(source);
	source->path = strdup(path);
	if (error == 0 && !source->path)
		error = rf_report(&fault, ENOMEM, "no memory");
	if (error == 0)
		error = read_stream(&reader, source, &fault);
	rf_reader_release(&reader);
	if (error == 0)
		return 0;
	rf_source_close(source);
	return rf_report(report, fault.error, "%s: %s", path, fault.sentence);
}
