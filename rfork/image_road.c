/* SPDX-License-Identifier: MIT */
/*
 * Records of pages that take another road than the stream: ROAD and REMOTE_PAGES.  Called by
 * image_pages.c; what is fetched, and how, is the business of the reader's road.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>

#include "rfork/image_record.h"
#include "rfork/page_road.h"

#define PAGE_BYTES 4096u
#define IPV4_BYTES 4u

/* No byte of an address behind those that its family has. */
static bool is_address_sound(const struct rf_image_road *road)
{
	static const uint8_t nothing[sizeof(road->address)];
	size_t used = road->family == AF_INET ? IPV4_BYTES : sizeof(road->address);

	return memcmp(road->address, nothing, used) != 0 &&
	       memcmp(road->address + used, nothing, sizeof(nothing) - used) == 0;
}

int rf_record_take_road(struct rf_reader *reader, const struct rf_record_header *header)
{
	struct rf_image_road road;
	int error;

	if (!reader->road || reader->has_road || reader->has_pages)
		return rf_record_corrupt(reader, "it is out of order");
	if (header->length_bytes != sizeof(road))
		return rf_record_corrupt(reader, "ROAD has another length");
	error = rf_record_read_payload(reader, header, RF_RECORD_END_BYTES);
	if (error < 0)
		return error;
	memcpy(&road, reader->payload, sizeof(road));
	if (road.kind != RF_ROAD_RDMA || road.flags & ~RF_ROAD_NEEDS_TAKEN ||
	    (road.family != AF_INET && road.family != AF_INET6) || road.port == 0 ||
	    road.connections == 0 || road.connections > RF_ROAD_MAX_CONNECTIONS ||
	    road.connect_ms == 0 || road.connect_ms > RF_ROAD_MAX_CONNECT_MS || road.reserved ||
	    !is_address_sound(&road))
		return rf_record_corrupt(reader, "ROAD has a field out of range");
	reader->has_road = true;
	return reader->road->open(reader->road->context, &road);
}

int rf_record_take_remote_pages(struct rf_reader *reader, const struct rf_image *image,
				const struct rf_record_header *header,
				struct rf_page_record *record, rf_reader_locate locate,
				void *context)
{
	const struct rf_image_remote_pages *head = &record->head.remote;
	int error;

	if (!reader->has_road)
		return rf_record_corrupt(reader, "it is out of order");
	error = rf_record_read_runs(reader, header, record, sizeof(*head));
	if (error == 0)
		error = rf_record_locate_runs(reader, image, record, locate, context);
	if (error < 0)
		return error;
	if (header->length_bytes != sizeof(*head) + head->runs * sizeof(record->runs[0]))
		return rf_record_corrupt(reader, "REMOTE_PAGES has another length");
	if (head->remote_address > UINT64_MAX - (uint64_t)record->data_pages * PAGE_BYTES)
		return rf_record_corrupt(reader, "its remote addresses are out of range");
	reader->has_pages = true;
	return reader->road->fetch(reader->road->context, record);
}

int rf_record_await(struct rf_reader *reader)
{
	if (!reader->has_road || reader->is_filled ||
	    reader->filled - reader->next >= RF_RECORD_HEADER_BYTES)
		return 0;
	return reader->road->await_stream(reader->road->context);
}

int rf_record_finish_road(struct rf_reader *reader)
{
	uint64_t pages = 0;
	int error = reader->has_road ? reader->road->finish(reader->road->context, &pages) : 0;

	reader->data_pages += pages;
	return error;
}
