/* SPDX-License-Identifier: MIT */
/*
 * The road of rfork-shell-rdma, as the image reader sees it: records in, acknowledgements
 * out.  Decides about the loss of the road; its parts only note it.
 */
#define _GNU_SOURCE
#include "server/road.h"

#include <errno.h>
#include <stdarg.h>

#include "rfork/frame.h"
#include "rfork/io.h"
#include "server/shell_road.h"

/* A ghost that has stopped does not read, but what is sent to it fits into the socket. */
#define SEND_TIMEOUT_MS 30000

#define PAGE_BYTES 4096u

void rf_road_lose(struct rf_road *road, int error, const char *format, ...)
{
	va_list arguments;

	if (rf_road_is_lost(road))
		return;
	road->loss.error = error;
	va_start(arguments, format);
	rf_vformat(road->loss.sentence, sizeof(road->loss.sentence), error, format, arguments);
	va_end(arguments);
}

static int send_failed(struct rf_road *road, int error)
{
	return rf_report(&road->shell->report, -error, "telling the caller about pages: %m");
}

/* Tells the ghost what has arrived, in the order of the stream. */
static int tell_taken(struct rf_road *road)
{
	struct rf_frame_taken taken = { 0 };
	int error;

	while (road->record_count && road->records[road->first_record].is_done) {
		road->taken_pages += road->records[road->first_record].pages.data_pages;
		road->first_record = (road->first_record + 1) % RF_ROAD_RECORDS;
		road->record_count--;
		taken.records++;
	}
	if (!taken.records)
		return 0;
	error = rf_frame_send(road->shell->connection, RF_FRAME_TAKEN, 0, 0, &taken, sizeof(taken),
			      rf_io_deadline_ns(SEND_TIMEOUT_MS));
	return error < 0 ? send_failed(road, error) : 0;
}

static int tell_state(struct rf_road *road)
{
	struct {
		int32_t error; /* as struct rf_frame_refused */
		char sentence[RF_REPORT_BYTES];
	} state = { .error = road->loss.error };
	size_t bytes = sizeof(state.error);
	int error;

	if (state.error)
		bytes += rf_format(state.sentence, sizeof(state.sentence), "%s",
				   road->loss.sentence);
	error = rf_frame_send(road->shell->connection, RF_FRAME_ROAD, 0, 0, &state, bytes,
			      rf_io_deadline_ns(SEND_TIMEOUT_MS));
	return error < 0 ? send_failed(road, error) : 0;
}

/* Tells what has arrived; and if the road has been lost since it was looked at last, drops what is
 * under way: the ghost sends it again, by the stream. */
static int settle(struct rf_road *road)
{
	int error;

	if (rf_road_is_lost(road) && road->is_open) {
		rf_road_disconnect(road);
		road->is_open = false;
		error = tell_taken(road);
		road->record_count = 0;
		return error < 0 ? error : tell_state(road);
	}
	return tell_taken(road);
}

static int open_road(void *context, const struct rf_image_road *where)
{
	struct rf_road *road = context;
	int error;

	road->where = *where;
	road->is_open = true;
	error = rf_road_connect(road);
	if (error < 0)
		return error;
	return rf_road_is_lost(road) ? settle(road) : tell_state(road);
}

/* Waits for something to happen, and acts upon it; 1 if the stream can be read, else 0. */
static int go_on(struct rf_road *road, int stream)
{
	int ready = rf_road_wait(road, stream);
	int error = ready < 0 ? ready : settle(road);

	return error < 0 ? error : ready;
}

static int await_stream(void *context)
{
	struct rf_road *road = context;
	int ready = 0;

	while (ready == 0 && road->is_open)
		ready = go_on(road, road->shell->connection);
	return ready < 0 ? ready : 0;
}

static int read_record(struct rf_road *road, struct rf_road_record *record)
{
	uint64_t bytes = (uint64_t)record->pages.data_pages * PAGE_BYTES;
	uint64_t offset = 0;

	while (offset < bytes && road->is_open) {
		int posted = rf_road_read_piece(road, record, offset);

		if (posted > 0)
			offset += (uint32_t)posted;
		else
			posted = posted == 0 || posted == -EAGAIN ? go_on(road, -1) : posted;
		if (posted < 0)
			return posted;
	}
	if (!road->is_open)
		return 0;
	record->is_posted = true;
	return rf_road_finish_record(road, record);
}

static int fetch(void *context, const struct rf_page_record *pages)
{
	struct rf_road *road = context;
	struct rf_road_record *record;
	int error = 0;

	while (error == 0 && road->is_open && road->record_count == RF_ROAD_RECORDS)
		error = go_on(road, -1);
	if (error < 0 || !road->is_open)
		return error;
	record = &road->records[(road->first_record + road->record_count++) % RF_ROAD_RECORDS];
	*record = (struct rf_road_record){ .pages = *pages };
	error = read_record(road, record);
	return error < 0 ? error : settle(road);
}

static int finish(void *context, uint64_t *pages)
{
	struct rf_road *road = context;
	bool was_open = road->is_open;
	int error = 0;

	while (error == 0 && road->is_open && road->record_count)
		error = go_on(road, -1);
	if (error < 0)
		return error;
	/* behind END nothing comes again */
	if (was_open && !road->is_open)
		return rf_report(&road->shell->report, road->loss.error, "%s", road->loss.sentence);
	if (was_open)
		rf_road_disconnect(road);
	road->is_open = false;
	*pages = road->taken_pages;
	return 0;
}

const struct rf_page_road *rf_shell_road(struct rf_shell *shell, const char *device)
{
	static struct rf_road road = { .bounce = { .fd = -1 } };
	static const struct rf_page_road operations = {
		.open = open_road,
		.fetch = fetch,
		.await_stream = await_stream,
		.finish = finish,
		.context = &road,
	};

	road.shell = shell;
	rf_format(road.device_name, sizeof(road.device_name), "%s", device);
	return &operations;
}
