/* SPDX-License-Identifier: MIT */
/*
 * Inside the road of rfork-shell-rdma: queue pairs to the ghost's side, and READs by them, from
 * its memory to where the image's pages belong.
 *
 * A record goes through the road as pieces, each one READ: from a run that is long enough
 * straight to its place, which is registered for that long; from several short runs, whose data
 * lie together at the other side, by way of a slot of the bounce buffer.  Whatever goes wrong
 * with the road makes it lost (rf_road_lose()), which is not an error of the image.
 *
 * Functions return 0 or a negative errno with a report in the shell's, unless they say otherwise.
 */
#ifndef RF_ROAD_H
#define RF_ROAD_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "rfork/image_format.h"
#include "rfork/page_road.h"
#include "server/shell.h"
#include "server/shell_protocol.h"

/* Records under way: what they hold is 16 MiB at most. */
#define RF_ROAD_RECORDS 16u
/* READs under way by one queue pair. */
#define RF_ROAD_READS 16u
#define RF_ROAD_PIECES (RF_ROAD_MAX_CONNECTIONS * RF_ROAD_READS)
#define RF_ROAD_BOUNCE_SLOTS 4u

struct rf_road_record {
	struct rf_page_record pages;
	uint32_t pieces; /* under way */
	bool is_posted;	 /* no piece is missing */
	bool is_done;	 /* it has arrived, and its digest is right */
};

struct rf_road_piece {
	struct rf_road_record *record; /* NULL = free */
	struct rf_road_connection *connection;
	uint64_t offset; /* in the record's data */
	uint32_t bytes;
	int slot;	       /* of the bounce buffer; -1 = straight to its place */
	struct ibv_mr *region; /* of that place; NULL with a slot */
};

enum rf_road_state {
	RF_ROAD_IDLE = 0, /* nothing of it exists */
	RF_ROAD_RESOLVING,
	RF_ROAD_CONNECTING,
	RF_ROAD_CONNECTED,
};

struct rf_road_connection {
	enum rf_road_state state;
	struct rdma_cm_id *id;
	uint32_t reads;	       /* under way */
	int64_t not_before_ns; /* when an idle one may try again */
};

/* Memory through which short runs go; a file without a name, so that what cannot be written to
 * is an error of a system call, and no signal. */
struct rf_road_bounce {
	int fd;
	char *memory;
	size_t slot_bytes;
	struct ibv_mr *region;
	bool used[RF_ROAD_BOUNCE_SLOTS];
};

struct rf_road {
	struct rf_shell *shell;
	char device_name[RF_RDMA_DEVICE_BYTES]; /* "" = any */
	struct rf_image_road where;
	bool is_open;
	struct rf_report loss; /* error 0: not lost */
	struct rdma_event_channel *events;
	struct ibv_context *device;
	struct ibv_pd *domain;
	struct ibv_comp_channel *completions;
	struct ibv_cq *queue;
	uint32_t max_read_bytes;
	uint32_t reads_per_connection;
	struct rlimit memlock; /* as it was */
	bool is_limit_raised;
	struct rf_road_bounce bounce;
	struct rf_road_connection connections[RF_ROAD_MAX_CONNECTIONS];
	uint32_t next_connection; /* for the next piece */
	struct rf_road_piece pieces[RF_ROAD_PIECES];
	struct rf_road_record records[RF_ROAD_RECORDS]; /* a ring, in the order of the stream */
	uint32_t first_record, record_count;
	uint64_t taken_pages; /* in records that have been told as TAKEN */
};

/* road.c */

/* Notes that the road cannot be used any more, and why, unless that is known already. */
void rf_road_lose(struct rf_road *road, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline bool rf_road_is_lost(const struct rf_road *road)
{
	return road->loss.error != 0;
}

/* road_connect.c */

/* Makes all connections that ROAD offers, or the road is lost. */
int rf_road_connect(struct rf_road *road);

/* Ends all READs: the memory that they write to is the image's alone again.  Closes queue pairs,
 * regions and devices. */
void rf_road_disconnect(struct rf_road *road);

/* road_events.c */

/* Waits until READs have been completed, or something else has happened, or `stream` can be read
 * (-1 = none): 1 for that, else 0. */
int rf_road_wait(struct rf_road *road, int stream);

/* road_memory.c */

int rf_road_open_memory(struct rf_road *road);
void rf_road_close_memory(struct rf_road *road);

/* Finds memory for the next piece of a record, from piece->offset on: sets bytes, slot, region
 * and the address for the READ. 0; -EAGAIN while others must be done first; or the road is
 * lost. */
int rf_road_take_memory(struct rf_road *road, struct rf_road_piece *piece, uint64_t *address);

/* Gives it back; data in the bounce buffer go to their place first. */
int rf_road_give_memory(struct rf_road *road, struct rf_road_piece *piece, bool has_data);

/* road_read.c */

/* Posts a READ for a record's data from an offset on: of how many bytes; -EAGAIN while others
 * must be completed first; 0 if the road is lost. */
int rf_road_read_piece(struct rf_road *road, struct rf_road_record *record, uint64_t offset);

/* Holds a record against its digest if all of it has arrived. */
int rf_road_finish_record(struct rf_road *road, struct rf_road_record *record);

/* Takes what has been completed: 1 if there was anything, else 0. */
int rf_road_complete(struct rf_road *road);

#endif
