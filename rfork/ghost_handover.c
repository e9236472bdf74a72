/* SPDX-License-Identifier: MIT */
/*
 * What a ghost and its node say to each other until the child runs: the image, the list of what
 * the node lacks, and the outcome.  Called by ghost.c, frozen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "rfork/frame.h"
#include "rfork/ghost_parts.h"
#include "rfork/image_writer.h"

/* Indexes of four bytes each: far below any socket buffer. */
#define NEED_AT_ONCE 4096u

static int connection_error(struct rf_ghost *ghost, int error)
{
	const char *host = ghost->order->host;

	switch (-error) {
	case EPIPE:
	case ECONNRESET:
		return rf_report(&ghost->report, ECONNRESET,
				 "%s closed the connection during the hand-over", host);
	case ETIMEDOUT:
		return rf_report(&ghost->report, ETIMEDOUT, "%s did not answer in time", host);
	case EBADMSG:
		return rf_report(&ghost->report, EBADMSG, "%s sent a malformed frame", host);
	}
	return rf_report(&ghost->report, -error, "connection to %s: %m", host);
}

static unsigned known_flags(unsigned type)
{
	switch (type) {
	case RF_FRAME_NEED:
		return RF_NEED_LAST;
	case RF_FRAME_RUNNING:
		return RF_RUNNING_WAITS | RF_RUNNING_EXPECTS;
	}
	return 0;
}

static unsigned known_flags_of(const struct rf_ghost *ghost, unsigned type)
{
	return type == RF_FRAME_REFUSED && ghost->is_looking ? RF_REFUSED_MORE : known_flags(type);
}

/* Receives a frame of the hand-over; a refusal becomes its error. */
static int receive_one(struct rf_ghost *ghost, struct rf_frame_header *header)
{
	int error = rf_frame_receive(ghost->order->connection, header, ghost->frame,
				     RF_FRAME_MAX_BYTES, ghost->order->deadline_ns);

	if (error < 0)
		return connection_error(ghost, error);
	if (header->channel || header->flags & ~known_flags_of(ghost, header->type))
		return connection_error(ghost, -EBADMSG);
	if (header->type == RF_FRAME_REFUSED)
		return rf_frame_refused(ghost->frame, header->length_bytes, &ghost->report);
	return 0;
}

/* The same, behind all that a node has against what it is only asked about. */
static int receive(struct rf_ghost *ghost, struct rf_frame_header *header)
{
	int error = receive_one(ghost, header);

	while (error < 0 && header->type == RF_FRAME_REFUSED && header->flags & RF_REFUSED_MORE &&
	       rf_refuse_reported(&ghost->order->refusals, &ghost->report) == 0)
		error = receive_one(ghost, header);
	return error;
}

/* The node may have refused while we were writing: its sentence tells more than EPIPE. */
static int sending_failed(struct rf_ghost *ghost, int error)
{
	struct rf_frame_header header;

	if (ghost->report.error)
		return -ghost->report.error;
	if (error == -ETIMEDOUT)
		return connection_error(ghost, error);
	if (error != -EPIPE && error != -ECONNRESET)
		return rf_report(&ghost->report, -error, "sending the image: %m");
	while (!ghost->report.error && receive(ghost, &header) == 0)
		;
	return -ghost->report.error;
}

/* Keeps what the node lacks until it is to be sent: no more than it can lack. */
static int keep_need(struct rf_ghost *ghost, const struct rf_frame_header *header)
{
	size_t count = header->length_bytes / sizeof(*ghost->need);

	if (header->length_bytes % sizeof(*ghost->need) || ghost->is_need_complete ||
	    count > ghost->cargo.file_mappings - ghost->need_count)
		return -EBADMSG;
	memcpy(ghost->need + ghost->need_count, ghost->frame, header->length_bytes);
	ghost->need_count += count;
	ghost->is_need_complete = header->flags & RF_NEED_LAST;
	return 0;
}

int rf_ghost_hear(struct rf_ghost *ghost)
{
	struct rf_frame_header header;
	int error = rf_ghost_road_wait(ghost);

	if (error <= 0)
		return error < 0 ? connection_error(ghost, error) : 0;
	error = receive(ghost, &header);
	if (error < 0)
		return error;
	switch (header.type) {
	case RF_FRAME_NEED:
		error = keep_need(ghost, &header);
		break;
	case RF_FRAME_ROAD:
	case RF_FRAME_TAKEN:
		error = rf_ghost_road_hear(ghost, &header);
		break;
	default:
		error = -EBADMSG;
	}
	return error < 0 ? connection_error(ghost, error) : 0;
}

static int send_lacking(struct rf_ghost *ghost, uint32_t index)
{
	int error = ghost->cargo.write_lacking(ghost->cargo.context, ghost->writer, index);

	if (error == -EBADMSG)
		return connection_error(ghost, error);
	return error < 0 ? sending_failed(ghost, error) : 0;
}

static int send_what_node_needs(struct rf_ghost *ghost)
{
	int error = 0;

	while (error == 0 && (ghost->need_sent < ghost->need_count || !ghost->is_need_complete))
		error = ghost->need_sent < ghost->need_count
				? send_lacking(ghost, ghost->need[ghost->need_sent++])
				: rf_ghost_hear(ghost);
	return error;
}

/* What the captured code is going to wait for. */
static unsigned expected_flags(const struct rf_ghost *ghost)
{
	if (ghost->is_moved)
		return RF_RUNNING_WAITS;
	return ghost->order->is_expecting ? RF_RUNNING_EXPECTS : 0;
}

int rf_ghost_await_child(struct rf_ghost *ghost)
{
	struct rf_frame_header header;
	int error;

	do {
		error = receive(ghost, &header);
		/* a road that ends with the image it was made for is no loss */
		if (error == 0 && header.type == RF_FRAME_ROAD)
			error = rf_ghost_road_hear(ghost, &header);
	} while (error == 0 && header.type == RF_FRAME_ROAD);
	if (error < 0)
		return connection_error(ghost, error);
	if (header.type != RF_FRAME_RUNNING || header.length_bytes < sizeof(ghost->running) ||
	    header.length_bytes - sizeof(ghost->running) > RF_WARNINGS_BYTES ||
	    header.flags != expected_flags(ghost))
		return connection_error(ghost, -EBADMSG);
	memcpy(&ghost->running, ghost->frame, sizeof(ghost->running));
	rf_warnings_take(ghost->warnings, ghost->frame + sizeof(ghost->running),
			 header.length_bytes - sizeof(ghost->running));
	return 0;
}

int rf_ghost_let_go(struct rf_ghost *ghost)
{
	int error = rf_frame_send(ghost->order->connection, RF_FRAME_GO, 0, 0, NULL, 0,
				  ghost->order->deadline_ns);

	return error < 0 ? connection_error(ghost, error) : 0;
}

/* What the child has written meanwhile is dropped: nobody is going to hear it.  If it has ended
 * before, its descendants are to outlive us, unless they have ended as well. */
int rf_ghost_detach(struct rf_ghost *ghost)
{
	struct rf_frame_header header = { .type = RF_FRAME_DETACH };
	bool has_ended = false;
	int error = rf_frame_send(ghost->order->connection, RF_FRAME_DETACH, 0, 0, NULL, 0,
				  ghost->order->deadline_ns);

	while (error == 0 && header.type != RF_FRAME_DETACHED) {
		error = rf_frame_receive(ghost->order->connection, &header, ghost->frame,
					 RF_FRAME_MAX_BYTES, ghost->order->deadline_ns);
		has_ended = has_ended || (error == 0 && header.type == RF_FRAME_EXITED);
	}
	return error < 0 && !has_ended ? connection_error(ghost, error) : 0;
}

/* The list of lacking mappings must fit into the connection's buffers if nobody reads it yet: the
 * shell would wait for the ghost, which waits for the shell. */
static bool expects_long_need(const struct rf_ghost *ghost)
{
	return ghost->cargo.file_mappings > NEED_AT_ONCE;
}

static int send_pages(struct rf_ghost *ghost)
{
	int error = ghost->cargo.write_pages(ghost->cargo.context, ghost->writer);

	return error < 0 ? sending_failed(ghost, error) : 0;
}

/* The kernel takes its time to tell of marks.  The node has all else by then, and goes on with
 * that. */
static int send_marks(struct rf_ghost *ghost)
{
	int error;

	if (!ghost->snapshot)
		return 0;
	error = rf_image_write(ghost->writer, RF_RECORD_FILLED, NULL, 0);
	if (error >= 0)
		error = rf_image_writer_flush(ghost->writer);
	return error < 0 ? error : rf_snapshot_write_marks(ghost->snapshot, ghost->writer);
}

/* All up to LAYOUT, and where else pages are to be had.  The node maps what the layout says while
 * pages are read and digested here. */
static int send_layout(struct rf_ghost *ghost)
{
	int error = rf_ghost_road_begin(ghost);

	if (error == 0)
		error = ghost->cargo.write_layout(ghost->cargo.context, ghost->writer);
	if (error == 0)
		error = rf_image_writer_flush(ghost->writer);
	if (error == 0)
		error = rf_ghost_road_offer(ghost);
	return error < 0 ? sending_failed(ghost, error) : 0;
}

int rf_ghost_send_image(struct rf_ghost *ghost)
{
	bool need_first = expects_long_need(ghost);
	int error;

	ghost->need = rf_ghost_take(ghost, ghost->cargo.file_mappings * sizeof(*ghost->need));
	if (!ghost->need)
		return rf_report(&ghost->report, ENOMEM, "no room to send the image");
	error = rf_packer_begin(&ghost->packer, ghost->order->compression, ghost->order->codecs,
				ghost->writer);
	if (error < 0)
		return rf_report(&ghost->report, -error, "no room to compress the image");
	error = send_layout(ghost);
	if (error == 0)
		error = need_first ? send_what_node_needs(ghost) : send_pages(ghost);
	if (error == 0)
		error = need_first ? send_pages(ghost) : send_what_node_needs(ghost);
	if (error == 0)
		error = rf_image_writer_flush(ghost->writer);
	if (error == 0)
		error = rf_ghost_road_settle(ghost);
	if (error == 0)
		error = send_marks(ghost);
	/* before END: a child of a changed image must not start */
	if (error == 0)
		error = rf_ghost_check_frozen(ghost);
	if (error == 0)
		error = rf_image_write_end(ghost->writer);
	return error < 0 ? sending_failed(ghost, error) : 0;
}

/* -- a node that is only asked ----------------------------------------------------------------- */

static int await_checked(struct rf_ghost *ghost)
{
	struct rf_frame_header header;
	int error = receive(ghost, &header);

	if (error == 0 && (header.type != RF_FRAME_CHECKED || header.length_bytes))
		error = -EBADMSG;
	return error < 0 ? connection_error(ghost, error) : 0;
}

int rf_ghost_ask(struct rf_ghost *ghost)
{
	int error;

	ghost->need = rf_ghost_take(ghost, ghost->cargo.file_mappings * sizeof(*ghost->need));
	if (!ghost->need)
		return rf_report(&ghost->report, ENOMEM, "no room to ask the node");
	error = send_layout(ghost);
	/* What it lacks would go, and need not be sent: but the node says first what it refuses. */
	while (error == 0 && !ghost->is_need_complete)
		error = rf_ghost_hear(ghost);
	if (error < 0)
		return error;
	error = rf_snapshot_write_guards(ghost->snapshot, ghost->writer);
	if (error == 0)
		error = rf_image_write_end(ghost->writer);
	return error < 0 ? sending_failed(ghost, error) : await_checked(ghost);
}
