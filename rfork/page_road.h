/* SPDX-License-Identifier: MIT */
/*
 * Pages that do not come by the stream (doc/image-format.txt, 25 and 26): what the image reader
 * asks of whoever can fetch them, and what it hands over. rfork-shell-rdma has such a road;
 * without one the records that need it are corrupt, as nobody has agreed on them.
 */
#ifndef RF_PAGE_ROAD_H
#define RF_PAGE_ROAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "rfork/image_format.h"

/* A record with a run table, checked, whose runs have their place in memory. */
struct rf_page_record {
	uint64_t sequence; /* of the record */
	uint64_t payload_digest;
	union {
		uint32_t runs; /* both begin with it */
		struct rf_image_pages pages;
		struct rf_image_remote_pages remote;
	} head;
	uint32_t head_bytes; /* of the one that it is */
	struct rf_image_run runs[RF_PAGES_MAX_RUNS];
	/* where the data go, in their order; writable memory of the image */
	struct iovec data[RF_PAGES_MAX_RUNS];
	uint32_t data_count;
	uint32_t data_pages;
	bool is_of_file; /* some of the places are a mapped file's */
};

/* The digest of head, runs and data, to be equal to payload_digest. */
uint64_t rf_page_record_digest(const struct rf_page_record *record);

/*
 * All return 0, or a negative errno with a report: the image is lost then.  A road that cannot be
 * used, or is lost, is no such error: its other end is told, and sends the pages by the stream.
 */
struct rf_page_road {
	/* Goes to the other end and tells it the result. */
	int (*open)(void *context, const struct rf_image_road *road);
	/* Begins to fetch the data of a record, which is copied.  What has arrived is held against
	 * its digest and acknowledged, in this call or in later ones. */
	int (*fetch)(void *context, const struct rf_page_record *record);
	/* Goes on until the stream has something to read. */
	int (*await_stream)(void *context);
	/* END has come: waits for what is under way, and closes. pages: of data, in all
	 * records that were acknowledged. */
	int (*finish)(void *context, uint64_t *pages);
	void *context;
};

#endif
