/* SPDX-License-Identifier: MIT */
/*
 * The ghost: the process that streams its own image to the node, and then stands for the remote
 * child until that ends.  A child of the caller, or the caller itself if that moves.
 */
#ifndef RF_GHOST_H
#define RF_GHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/forecast.h"
#include "rfork/image_writer.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/rest.h"
#include "rfork/restore_plan.h"
#include "rfork/snapshot.h"
#include "rfork/transport.h"
#include "rfork/warnings.h"

/* What the caller hands to its ghost; made in the arena before the fork. */
struct rf_ghost_order {
	struct rf_arena arena;
	pid_t caller; /* takes the child's signals to its parent */
	int connection;
	int status_fd; /* takes one struct rf_ghost_status */
	int64_t deadline_ns;
	enum rf_road_wish road;	  /* what the node has agreed to, once it has answered */
	unsigned compression;	  /* RFORK_COMPRESS_*, likewise */
	uint32_t codecs;	  /* RF_CODEC_BIT of those that the node can unpack */
	const char *pages_helper; /* path of the program for that road */
	bool is_expecting; /* the child executes nothing before it has what the originals hold */
	bool is_async;	   /* the caller does not wait: failures are told on its standard error */
	struct rf_fdtable fds;
	struct rf_terminal terminal; /* device 0: the child has none */
	struct rf_forecast forecast;
	struct rf_image_writer *writer; /* may have sent the forecast */
	struct rf_snapshot_request request;
	struct rf_refusals refusals;
	enum rf_frozen_check frozen;
	struct rf_attributes attributes;
	struct rf_pending pending;	/* of a process that moves */
	struct rf_timers timers;	/* the same */
	struct rf_pipes pipes;		/* the same */
	struct rf_rest kept;		/* the same: memory that is locked */
	struct rf_report failure;	/* of a move */
	char name[16];			/* of the process, "rfork:HOST" */
	char host[RF_REPORT_BYTES / 2]; /* for sentences */
};

/* An image on its way, and who writes it.  Each returns 0 or a negative errno; write_lacking, which
 * is asked for the contents of one mapping, -EBADMSG for a bad index. */
struct rf_ghost_cargo {
	void *context;
	size_t file_mappings; /* and contents: how many the node may lack */
	int (*write_layout)(void *context, struct rf_image_writer *writer);
	int (*write_pages)(void *context, struct rf_image_writer *writer);
	int (*write_lacking)(void *context, struct rf_image_writer *writer, uint32_t index);
};

/* What the ghost tells the caller, once. */
struct rf_ghost_status {
	struct rf_report report; /* error 0: the child runs */
	uint32_t node_pid;
	uint32_t warning_bytes; /* of struct rf_warnings, which follow */
};

/*
 * Becomes the ghost, in the fork child.  Never returns in this process.
 * In the restored thread, on the node, it returns the arrival: what is left of the restore.
 */
struct rf_arrival *rf_ghost_become(struct rf_ghost_order *order);

/*
 * Goes the way of a ghost, in a process that nobody hears of, as far as that leads without a child:
 * to order->status_fd go one struct rf_ghost_status, and, unless that has an error, order->refusals
 * with what was found, and its lines.
 */
_Noreturn void rf_ghost_look(struct rf_ghost_order *order);

/*
 * Moves the calling process: it becomes the ghost itself, once it is restored on the node.  All
 * signals must be blocked, and it must be the only thread; order->fds lists all descriptors.  In
 * the restored thread, which nobody has told yet to go on, returns the arrival.  In this process it
 * returns only if the process has to stay: NULL, with order->failure set, and everything but the
 * order's arena as it was.
 */
struct rf_arrival *rf_ghost_move(struct rf_ghost_order *order);

/*
 * Sends the image of another process, which is at rest; then the calling process becomes the ghost
 * of what goes on on the node.  order->fds lists what of its own the child is to have.  All signals
 * must be blocked.  Returns only a negative errno with a report.
 */
int rf_ghost_carry(struct rf_ghost_order *order, const struct rf_ghost_cargo *cargo,
		   struct rf_report *report);

#endif
