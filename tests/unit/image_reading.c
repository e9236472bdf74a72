/* SPDX-License-Identifier: MIT */
/*
 * Reads streams for the tests of the reader, which are held against the rules while they come.
 */
#define _GNU_SOURCE
#include "tests/unit/image_reading.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/image_rules.h"

/* Twice a record's worth, so that no two runs of one record share memory. */
#define SCRATCH_PAGES (2 * RF_PAGES_MAX_DATA_PAGES)

struct target {
	struct sample_reading *reading;
	unsigned char *scratch;
	uint32_t used_pages;
	const char *fault;
	bool is_open; /* the road */
	uint64_t fetched_pages;
};

static const char *judge_run(const struct rf_image *image, size_t index,
			     const struct rf_image_run *run)
{
	const struct rf_image_mapping *mapping;

	if (index >= image->head.mappings)
		return "a run is in no mapping";
	mapping = &image->mappings[index];
	if (run->address % SAMPLE_PAGE || run->pages == 0 || run->kind > RF_RUN_GUARD)
		return "a run is malformed";
	if (run->address < mapping->start ||
	    run->pages > (mapping->end - run->address) / SAMPLE_PAGE)
		return "a run is not within its mapping";
	if (mapping->kind % 2 == 1 && mapping->flags & RF_MAPPING_SHARED)
		return "a run is in a shared file";
	if (run->kind == RF_RUN_DATA && run->pages > RF_PAGES_MAX_DATA_PAGES)
		return "a run has too many pages";
	return NULL;
}

static int locate(void *context, size_t index, const struct rf_image_run *run, uint64_t *offset)
{
	struct target *target = context;

	target->fault = judge_run(&target->reading->image, index, run);
	if (target->fault)
		return -EUCLEAN;
	target->reading->located++;
	if (run->kind != RF_RUN_DATA)
		return 0;
	if (target->used_pages + run->pages > SCRATCH_PAGES)
		target->used_pages = 0;
	*offset = (uintptr_t)target->scratch + (uint64_t)target->used_pages * SAMPLE_PAGE -
		  run->address;
	if (index < SAMPLE_MAPPINGS)
		target->reading->pages[index] =
			target->scratch + (size_t)target->used_pages * SAMPLE_PAGE;
	target->used_pages += run->pages;
	return 0;
}

/* -- the road ------------------------------------------------------------------------------ */

static int open_road(void *context, const struct rf_image_road *road)
{
	struct target *target = context;

	if (road->connections == 0 || road->connections > RF_ROAD_MAX_CONNECTIONS || !road->port)
		target->fault = "a road is malformed";
	target->is_open = true;
	return 0;
}

static const char *judge_record(const struct target *target, const struct rf_page_record *record)
{
	size_t bytes = 0;

	if (!target->is_open)
		return "remote pages without a road";
	if (record->data_pages > RF_PAGES_MAX_DATA_PAGES || record->data_count > record->head.runs)
		return "a record has too many remote pages";
	for (uint32_t i = 0; i < record->data_count; i++)
		bytes += record->data[i].iov_len;
	if (bytes != (size_t)record->data_pages * SAMPLE_PAGE)
		return "remote pages are not where they are counted";
	if (record->head.remote.remote_address + bytes < bytes)
		return "remote addresses wrap";
	return NULL;
}

/* Whether the other side has all of it. */
static bool has_remote(const struct rf_image_remote_pages *head, size_t bytes)
{
	uint64_t offset = head->remote_address - SAMPLE_REMOTE;

	return head->remote_key == SAMPLE_REMOTE_KEY && offset <= sizeof(sample_remote) &&
	       bytes <= sizeof(sample_remote) - offset;
}

static int fetch(void *context, const struct rf_page_record *record)
{
	struct target *target = context;
	const struct rf_image_remote_pages *head = &record->head.remote;
	const unsigned char *from;

	target->fault = judge_record(target, record);
	if (target->fault)
		return -EUCLEAN;
	if (target->reading->is_road_lost ||
	    !has_remote(head, (size_t)record->data_pages * SAMPLE_PAGE)) {
		target->reading->is_road_lost = true;
		return 0;
	}
	from = sample_remote + (head->remote_address - SAMPLE_REMOTE);
	for (uint32_t i = 0; i < record->data_count; i++) {
		memcpy(record->data[i].iov_base, from, record->data[i].iov_len);
		from += record->data[i].iov_len;
	}
	if (rf_page_record_digest(record) != record->payload_digest)
		return rf_report(&target->reading->report, EBADMSG, "remote pages are damaged");
	target->fetched_pages += record->data_pages;
	return 0;
}

static int await_stream(void *context)
{
	struct target *target = context;

	if (!target->is_open)
		target->fault = "a road that is not open is waited for";
	return 0;
}

static int finish_road(void *context, uint64_t *pages)
{
	struct target *target = context;

	*pages = target->fetched_pages;
	return 0;
}

bool sample_refuses_contents;
bool sample_has_road;
const struct rf_page_unpacker *sample_unpacker;

static int open_stream(const unsigned char *stream, size_t bytes)
{
	static int fd = -1;

	/* One file for all: thousands of streams are read. */
	if (fd < 0)
		fd = memfd_create("stream", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, stream, bytes, 0) != (ssize_t)bytes ||
	    lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

void sample_forget(struct sample_reading *reading)
{
	rf_image_release(&reading->image);
	memset(reading, 0, sizeof(*reading));
}

static int take_content(void *context, uint32_t index, uint64_t offset, const void *data,
			size_t bytes)
{
	struct target *target = context;
	struct sample_reading *reading = target->reading;
	const struct rf_image *image = &reading->image;

	if (!sample_is_content(image, index) || bytes == 0 ||
	    offset + bytes > image->objects[index].object.content.size_bytes)
		target->fault = "bytes are of no file, or behind its end";
	if (sample_refuses_contents)
		return rf_report(&reading->report, ENOSPC, "no room");
	reading->content_offset = offset;
	reading->content_bytes = bytes;
	memcpy(reading->content, data,
	       bytes < sizeof(reading->content) ? bytes : sizeof(reading->content));
	return 0;
}

int sample_read(struct sample_reading *reading, const unsigned char *stream, size_t bytes,
		const char **fault)
{
	static unsigned char *scratch;
	struct target target = { .reading = reading };
	const struct rf_page_road road = { .open = open_road,
					   .fetch = fetch,
					   .await_stream = await_stream,
					   .finish = finish_road,
					   .context = &target };
	const struct rf_content_sink contents = { .put = take_content, .context = &target };
	static struct rf_reader reader;
	int fd = open_stream(stream, bytes);
	int answer;

	if (!scratch)
		scratch = malloc(SCRATCH_PAGES * SAMPLE_PAGE);
	if (!scratch)
		abort();
	target.scratch = scratch;
	sample_forget(reading);
	*fault = NULL;
	answer = rf_reader_init(&reader, fd, SAMPLE_MIN_ADDRESS, SAMPLE_MAX_ADDRESS,
				&reading->report);
	if (answer < 0)
		abort();
	reader.road = sample_has_road ? &road : NULL;
	reader.unpacker = sample_unpacker;
	reader.contents = &contents;
	answer = rf_reader_forecast(&reader, &reading->forecast);
	if (answer == 0) {
		*fault = sample_judge_forecast(&reading->forecast);
		answer = rf_reader_layout(&reader, &reading->image);
	}
	if (answer == 0) {
		reading->is_layout_read = true;
		if (!*fault)
			*fault = sample_judge_layout(&reading->image);
		if (!*fault)
			answer = rf_reader_pages(&reader, &reading->image, locate, &target);
	}
	if (!*fault)
		*fault = target.fault;
	if (!*fault && answer < 0 &&
	    (reading->report.error != -answer || !reading->report.sentence[0]))
		*fault = "a refusal without a sentence";
	reading->consumed = (size_t)lseek(fd, 0, SEEK_CUR);
	rf_reader_release(&reader);
	rf_reader_release_forecast(&reading->forecast);
	return answer;
}

bool sample_is_refusal(int answer)
{
	return answer == -EBADMSG || answer == -ENOTSUP || answer == -EPROTONOSUPPORT ||
	       answer == -ENOEXEC || answer == -ECONNRESET;
}
