/* SPDX-License-Identifier: MIT */
/*
 * The ghost from the capture point until the child runs: sends the image, learns
 * the outcome, tells the caller, and gives its copy of the caller's memory back.
 *
 * After rf_arch_capture() all code here runs on the arena's stack, and the image is
 * frozen: no malloc, no stdio, no errno, no write outside the arena.
 */
#define _GNU_SOURCE
#include "rfork/ghost.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/fdproof.h"
#include "rfork/frame.h"
#include "rfork/ghost_accept.h"
#include "rfork/ghost_memory.h"
#include "rfork/ghost_relay.h"
#include "rfork/ghost_signals.h"
#include "rfork/held.h"
#include "rfork/image_writer.h"
#include "rfork/io.h"
#include "rfork/snapshot.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define EXIT_STATUS_FAILED 1 /* nobody sees it: rfork() reaps this ghost */
/* Indexes of four bytes each: far below any socket buffer. */
#define NEED_AT_ONCE 4096u
#define BOUNCE_BYTES ((size_t)RF_PAGES_MAX_DATA_PAGES * PAGE_BYTES)

struct ghost {
	struct rf_ghost_order *order;
	bool is_moved; /* this process is not a fork child, but what moves itself */
	struct rf_arch_context context;
	struct rf_relay relay;
	struct rf_report report;
	struct rf_ghost_status status;
	struct rf_frame_running running;
	size_t scratch; /* from here on the arena is needed only until the child runs */
	struct rf_snapshot *snapshot;
	struct rf_image_writer *writer;
	struct rf_ghost_cargo cargo; /* what is sent: the snapshot, or an image at rest */
	unsigned char *frame;	     /* RF_FRAME_MAX_BYTES */
	uint64_t digest;
};

/* -- preparing ---------------------------------------------------------------------------- */

static bool is_terminal(const struct rf_fd *entry)
{
	return entry->image.kind == RF_DESCRIPTOR_RELAY &&
	       (entry->image.stream & RF_STREAM_TYPE) == RF_STREAM_TERMINAL;
}

/* Whether the ghost keeps a descriptor as the original of a channel. */
static bool is_original(const struct rf_fd *entry)
{
	return entry->image.kind == RF_DESCRIPTOR_RELAY && entry->image.same_as == RF_IMAGE_NONE &&
	       !is_terminal(entry);
}

/* Standard error may be a duplicate, of standard output for one. */
static void find_standard_error(struct rf_relay *relay, const struct rf_fdtable *fds)
{
	uint32_t number = STDERR_FILENO;

	for (size_t i = 0; i < fds->count; i++)
		if (fds->entries[i].image.number == STDERR_FILENO &&
		    fds->entries[i].image.same_as != RF_IMAGE_NONE)
			number = fds->entries[i].image.same_as;
	for (uint32_t i = 0; i < relay->channel_count; i++)
		if (relay->channels[i].fd == (int)number &&
		    relay->channels[i].stream & RF_STREAM_WRITE)
			relay->error_channel = i;
	for (size_t i = 0; i < fds->count; i++)
		if (fds->entries[i].image.number == STDERR_FILENO && is_terminal(&fds->entries[i]))
			relay->error_channel = RF_CHANNEL_TERMINAL;
}

/* The ghost's own: the child may have the terminal without a descriptor, or with many. */
static void open_terminal(struct ghost *ghost)
{
	const struct rf_terminal *terminal = &ghost->order->terminal;
	struct rf_channel *channel = &ghost->relay.channels[RF_CHANNEL_TERMINAL];

	if (!terminal->device)
		return;
	channel->fd = rf_ghost_terminal_open(&ghost->relay.terminal, terminal);
	channel->stream = RF_STREAM_TERMINAL | RF_STREAM_WRITE;
}

/* Fills the relay's channels with their originals. */
static void plan_relay(struct ghost *ghost)
{
	const struct rf_fdtable *fds = &ghost->order->fds;
	struct rf_relay *relay = &ghost->relay;

	relay->link.connection = ghost->order->connection;
	relay->is_expected = ghost->order->is_expecting;
	relay->signals = relay->tools.epoll = relay->tools.null = -1;
	relay->tools.scratch[0] = relay->tools.scratch[1] = -1;
	relay->caller = ghost->order->caller;
	relay->channel_count = relay->accepted_from = fds->channels;
	relay->error_channel = RF_IMAGE_NONE;
	for (uint32_t number = 0; number < fds->channels; number++)
		relay->channels[number].fd = -1;
	for (size_t i = 0; i < fds->count; i++) {
		const struct rf_image_descriptor *image = &fds->entries[i].image;

		if (!is_original(&fds->entries[i]))
			continue;
		relay->channels[image->file].fd = (int)image->number;
		relay->channels[image->file].stream = image->stream;
	}
	open_terminal(ghost);
	find_standard_error(relay, fds);
}

static void close_between(unsigned first, unsigned last)
{
	if (first > last)
		return;
	if (rf_syscall(SYS_close_range, first, last, 0) == -ENOSYS)
		for (unsigned fd = first; fd <= last && fd <= RF_IMAGE_MAX_FD; fd++)
			rf_sys_close((int)fd);
}

/* Originals of relays, and files: while a file is open its inode cannot become another's, by
 * which the node would know it. */
static bool is_kept(const struct rf_fd *entry)
{
	return is_original(entry) ||
	       (entry->image.kind == RF_DESCRIPTOR_FILE && entry->image.same_as == RF_IMAGE_NONE);
}

/* Walks, in ascending order, over what the ghost keeps, its own among them. */
struct kept {
	const struct ghost *ghost;
	size_t entry;
	unsigned last; /* number that came last, plus one */
};

static bool next_kept(struct kept *kept, unsigned *number)
{
	const struct rf_ghost_order *order = kept->ghost->order;
	const struct rf_fdtable *fds = &order->fds;
	const unsigned own[] = { (unsigned)order->connection, (unsigned)order->status_fd,
				 (unsigned)kept->ghost->relay.channels[RF_CHANNEL_TERMINAL].fd };
	unsigned lowest = UINT32_MAX;

	while (kept->entry < fds->count && (!is_kept(&fds->entries[kept->entry]) ||
					    fds->entries[kept->entry].image.number < kept->last))
		kept->entry++;
	if (kept->entry < fds->count)
		lowest = fds->entries[kept->entry].image.number;
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (own[i] >= kept->last && own[i] < lowest)
			lowest = own[i];
	kept->last = lowest + 1;
	*number = lowest;
	return lowest != UINT32_MAX;
}

/* Closes everything but the ghost's own: an original that the child does not use must end when
 * the caller's side ends it. */
static void close_others(struct ghost *ghost)
{
	struct kept kept = { .ghost = ghost };
	unsigned number, first = 0;

	for (; next_kept(&kept, &number); first = number + 1)
		if (number)
			close_between(first, number - 1);
	close_between(first, UINT32_MAX);
}

/* The node has opened them. */
static void close_files(const struct rf_fdtable *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		if (fds->entries[i].image.kind == RF_DESCRIPTOR_FILE && is_kept(&fds->entries[i]))
			rf_sys_close((int)fds->entries[i].image.number);
}

/* What must not be done before the state of the process has been collected. */
static void disguise(struct ghost *ghost)
{
	struct rlimit none = { 0, 0 };

	rf_sys_prctl(PR_SET_NAME, (unsigned long)ghost->order->name, 0, 0, 0);
	rf_syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
}

/* -- the frozen image -------------------------------------------------------------------------- */

static void freeze(struct ghost *ghost)
{
	if (ghost->order->frozen != RF_FROZEN_TRUSTED)
		ghost->digest = rf_snapshot_digest(ghost->snapshot);
	if (ghost->order->frozen == RF_FROZEN_BROKEN)
		*(volatile uint64_t *)(ghost->context.rsp - 4096) ^= 1;
}

static int check_frozen(struct ghost *ghost)
{
	if (!ghost->snapshot || ghost->order->frozen == RF_FROZEN_TRUSTED ||
	    ghost->digest == rf_snapshot_digest(ghost->snapshot))
		return 0;
	return rf_report(&ghost->report, EIO, "the image changed while it was sent");
}

/* -- the image --------------------------------------------------------------------------------- */

static int connection_error(struct ghost *ghost, int error)
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

/* Receives a frame of the hand-over; a refusal becomes its error. */
static int receive(struct ghost *ghost, struct rf_frame_header *header)
{
	int error = rf_frame_receive(ghost->order->connection, header, ghost->frame,
				     RF_FRAME_MAX_BYTES, ghost->order->deadline_ns);

	if (error < 0)
		return connection_error(ghost, error);
	if (header->channel || header->flags & ~known_flags(header->type))
		return connection_error(ghost, -EBADMSG);
	if (header->type == RF_FRAME_REFUSED)
		return rf_frame_refused(ghost->frame, header->length_bytes, &ghost->report);
	return 0;
}

/* The node may have refused while we were writing: its sentence tells more than EPIPE. */
static int sending_failed(struct ghost *ghost, int error)
{
	struct rf_frame_header header;

	if (error == -ETIMEDOUT)
		return connection_error(ghost, error);
	if (error != -EPIPE && error != -ECONNRESET)
		return rf_report(&ghost->report, -error, "sending the image: %m");
	while (!ghost->report.error && receive(ghost, &header) == 0)
		;
	return -ghost->report.error;
}

static int send_lacking(struct ghost *ghost, const struct rf_frame_header *header)
{
	const uint32_t *indexes = (const uint32_t *)ghost->frame;

	if (header->type != RF_FRAME_NEED || header->length_bytes % sizeof(*indexes))
		return connection_error(ghost, -EBADMSG);
	for (size_t i = 0; i < header->length_bytes / sizeof(*indexes); i++) {
		int error =
			ghost->cargo.write_lacking(ghost->cargo.context, ghost->writer, indexes[i]);

		if (error < 0)
			return error == -EBADMSG ? connection_error(ghost, error)
						 : sending_failed(ghost, error);
	}
	return 0;
}

static int send_what_node_needs(struct ghost *ghost)
{
	struct rf_frame_header header;
	int error;

	do {
		error = receive(ghost, &header);
		if (error == 0)
			error = send_lacking(ghost, &header);
	} while (error == 0 && !(header.flags & RF_NEED_LAST));
	return error;
}

/* What the captured code is going to wait for. */
static unsigned expected_flags(const struct ghost *ghost)
{
	if (ghost->is_moved)
		return RF_RUNNING_WAITS;
	return ghost->order->is_expecting ? RF_RUNNING_EXPECTS : 0;
}

static int await_child(struct ghost *ghost)
{
	struct rf_frame_header header;
	int error = receive(ghost, &header);

	if (error < 0)
		return error;
	if (header.type != RF_FRAME_RUNNING || header.length_bytes != sizeof(ghost->running) ||
	    header.flags != expected_flags(ghost))
		return connection_error(ghost, -EBADMSG);
	memcpy(&ghost->running, ghost->frame, sizeof(ghost->running));
	return 0;
}

/* From here on the process exists on the node, and never again here. */
static int let_go(struct ghost *ghost)
{
	int error = rf_frame_send(ghost->order->connection, RF_FRAME_GO, 0, 0, NULL, 0,
				  ghost->order->deadline_ns);

	return error < 0 ? connection_error(ghost, error) : 0;
}

/* Lets the child outlive us.  What it has written meanwhile is dropped: nobody is going to hear it.
 * If it has ended before, its descendants are to outlive us, unless they have ended as well. */
static int detach(struct ghost *ghost)
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
static bool expects_long_need(const struct ghost *ghost)
{
	return ghost->cargo.file_mappings > NEED_AT_ONCE;
}

static int send_pages(struct ghost *ghost)
{
	int error = ghost->cargo.write_pages(ghost->cargo.context, ghost->writer);

	return error < 0 ? sending_failed(ghost, error) : 0;
}

static int send_image(struct ghost *ghost)
{
	bool need_first = expects_long_need(ghost);
	int error = ghost->cargo.write_layout(ghost->cargo.context, ghost->writer);

	/* The node maps what the layout says while the pages are read and digested here. */
	if (error == 0)
		error = rf_image_writer_flush(ghost->writer);
	if (error < 0)
		return sending_failed(ghost, error);
	error = need_first ? send_what_node_needs(ghost) : send_pages(ghost);
	if (error == 0)
		error = need_first ? send_pages(ghost) : send_what_node_needs(ghost);
	/* before END: a child of a changed image must not start */
	if (error == 0)
		error = check_frozen(ghost);
	if (error < 0)
		return error;
	error = rf_image_write_end(ghost->writer);
	return error < 0 ? sending_failed(ghost, error) : 0;
}

static int write_own_layout(void *context, struct rf_image_writer *writer)
{
	struct ghost *ghost = context;

	return rf_snapshot_write_layout(ghost->snapshot, writer, &ghost->order->request);
}

static int write_own_pages(void *context, struct rf_image_writer *writer)
{
	return rf_snapshot_write_pages(((struct ghost *)context)->snapshot, writer);
}

static int write_own_lacking(void *context, struct rf_image_writer *writer, uint32_t index)
{
	return rf_snapshot_write_lacking(((struct ghost *)context)->snapshot, writer, index);
}

/* The snapshot as what is sent. */
static void load_own(struct ghost *ghost)
{
	size_t files = 0;

	for (size_t i = 0; i < ghost->snapshot->mapping_count; i++)
		files += ghost->snapshot->mappings[i].image.kind == RF_MAPPING_FILE;
	ghost->cargo = (struct rf_ghost_cargo){ .context = ghost,
						.file_mappings = files,
						.write_layout = write_own_layout,
						.write_pages = write_own_pages,
						.write_lacking = write_own_lacking };
}

/* Collects the snapshot and opens the memory that it describes. */
static int collect(struct ghost *ghost, int *memory_fd)
{
	int error;

	if (!ghost->order->request.same_boot)
		rf_fdproof_witness(&ghost->order->fds);
	error = rf_snapshot_collect(ghost->snapshot, &ghost->order->arena, &ghost->context,
				    &ghost->order->request, &ghost->report);
	if (error < 0)
		return error;
	load_own(ghost);
	*memory_fd = rf_sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	return *memory_fd < 0 ? rf_report(&ghost->report, -*memory_fd, "/proc/self/mem: %m") : 0;
}

static int take_snapshot(struct ghost *ghost)
{
	struct rf_arena *arena = &ghost->order->arena;
	int dumpable = rf_sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	void *bounce;
	int memory_fd;
	int error;

	ghost->scratch = arena->used;
	ghost->frame = rf_arena_take(arena, RF_FRAME_MAX_BYTES);
	ghost->snapshot = rf_arena_take(arena, sizeof(*ghost->snapshot));
	bounce = rf_arena_take(arena, BOUNCE_BYTES);
	if (!ghost->frame || !ghost->snapshot || !bounce)
		return rf_report(&ghost->report, ENOMEM, "no room to collect the image");
	ghost->snapshot->pagemap.fd = -1;
	/* A process that has changed its uid may not open its own /proc files otherwise; no longer
	 * than that takes, for others may look at it meanwhile. */
	if (dumpable != 1)
		rf_sys_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	error = collect(ghost, &memory_fd);
	if (dumpable != 1)
		rf_sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (error < 0)
		return error;
	/* a caller that waits sets the limit by killing us */
	rf_image_writer_continue(ghost->writer,
				 ghost->is_moved || ghost->order->is_async
					 ? ghost->order->deadline_ns
					 : RF_NO_DEADLINE,
				 memory_fd, bounce);
	return 0;
}

/* -- the life of a ghost ----------------------------------------------------------------------- */

/* Nobody waits for an answer: whoever started the process sees its end. */
_Noreturn static void fail_async(struct ghost *ghost)
{
	struct rf_report told = { 0 };

	rf_report(&told, ghost->report.error, "rfork: %s: %s", ghost->order->host,
		  ghost->report.sentence);
	rf_ghost_complain(&ghost->relay, told.sentence);
	rf_ghost_die(SIGKILL);
}

static void tell_caller(struct ghost *ghost)
{
	ghost->status.report = ghost->report;
	ghost->status.node_pid = ghost->running.pid;
	/* A caller that is gone needs no answer, and the child runs without it. */
	rf_io_write_full(ghost->order->status_fd, &ghost->status, sizeof(ghost->status),
			 RF_NO_DEADLINE);
	rf_sys_close(ghost->order->status_fd);
}

/* While the node restores the child: a failure can still be told. */
static int prepare_relay(struct ghost *ghost)
{
	int error = rf_ghost_prepare_relay(&ghost->relay);

	return error < 0 ? rf_report(&ghost->report, -error, "descriptors for the relay: %m") : 0;
}

/* From the frozen image to the child that runs, or waits for its caller to go. */
static int hand_over(struct ghost *ghost)
{
	int error;

	rf_procstate_leave_rseq(&ghost->snapshot->thread);
	freeze(ghost);
	error = send_image(ghost);
	if (error == 0)
		error = prepare_relay(ghost);
	return error < 0 ? error : await_child(ghost);
}

static void close_image(struct ghost *ghost)
{
	rf_fdproof_release(&ghost->order->fds);
	if (ghost->snapshot && ghost->snapshot->pagemap.fd >= 0)
		rf_pagemap_close(&ghost->snapshot->pagemap);
	if (ghost->writer->memory_fd >= 0)
		rf_sys_close(ghost->writer->memory_fd);
	ghost->writer->memory_fd = -1;
}

static void live(void *argument)
{
	struct ghost *ghost = argument;
	int error;

	rf_ghost_block_signals();
	close_others(ghost);
	error = take_snapshot(ghost);
	disguise(ghost);
	if (error == 0)
		error = hand_over(ghost);
	if (error == 0 && ghost->order->request.flags & RFORK_DETACH)
		error = detach(ghost);
	close_image(ghost);
	if (error < 0 && ghost->order->is_async)
		fail_async(ghost);
	tell_caller(ghost);
	if (error < 0)
		rf_sys_exit(EXIT_STATUS_FAILED);
	if (ghost->order->request.flags & RFORK_DETACH)
		rf_sys_exit(0);
	close_files(&ghost->order->fds);
	rf_ghost_give_back(ghost->snapshot, ghost->scratch);
	rf_ghost_relay(&ghost->relay);
}

/* Those that the image gives; with a listening socket, room for all that may come. */
static size_t count_channels(const struct rf_fdtable *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		if (fds->entries[i].image.kind == RF_DESCRIPTOR_RELAY &&
		    rf_accept_is_listener(fds->entries[i].image.stream))
			return RF_CHANNELS_MAX;
	return fds->channels;
}

/* Makes a ghost in the order's arena; NULL if there is no room. */
static struct ghost *make_ghost(struct rf_ghost_order *order)
{
	struct rf_arena *arena = &order->arena;
	struct ghost *ghost = rf_arena_take(arena, sizeof(*ghost));

	if (!ghost)
		return NULL;
	ghost->order = order;
	ghost->writer = order->writer;
	ghost->relay.channels =
		rf_arena_take(arena, count_channels(&order->fds) * sizeof(*ghost->relay.channels));
	ghost->relay.tools.buffer = rf_arena_take(arena, RF_FRAME_MAX_BYTES);
	if (!ghost->relay.channels || !ghost->relay.tools.buffer)
		return NULL;
	plan_relay(ghost);
	return ghost;
}

struct rf_arrival *rf_ghost_become(struct rf_ghost_order *order)
{
	struct ghost *ghost = make_ghost(order);

	if (!ghost)
		rf_sys_exit(EXIT_STATUS_FAILED);
	return rf_arch_capture(&ghost->context, order->arena.base + order->arena.bytes, live,
			       ghost);
}

/* -- a process that moves ---------------------------------------------------------------------- */

/* Closes what the process had open and the relay does not need. */
static void close_originals(struct ghost *ghost)
{
	const struct rf_fdtable *fds = &ghost->order->fds;
	size_t entry = 0;

	for (size_t i = 0; i < fds->number_count; i++) {
		while (entry < fds->count &&
		       (int)fds->entries[entry].image.number < fds->numbers[i])
			entry++;
		if (entry < fds->count &&
		    (int)fds->entries[entry].image.number == fds->numbers[i] &&
		    (is_original(&fds->entries[entry]) || fds->entries[entry].is_held))
			continue;
		rf_sys_close(fds->numbers[i]);
	}
}

/* It has gone: what is left here is its ghost, which ends by SIGKILL if it is lost. */
_Noreturn static void live_on_as_ghost(struct ghost *ghost)
{
	close_image(ghost);
	close_originals(ghost);
	rf_held_end();
	disguise(ghost);
	ghost->order->deadline_ns = RF_NO_DEADLINE;
	if (ghost->order->request.flags & RFORK_DETACH) {
		if (detach(ghost) < 0)
			fail_async(ghost);
		rf_sys_exit(0);
	}
	rf_ghost_drop_files(ghost->snapshot);
	rf_ghost_give_back(ghost->snapshot, ghost->scratch);
	rf_ghost_relay(&ghost->relay);
}

/* The continuation of a process that moves: returns if it has to stay. */
static void move(void *argument)
{
	struct ghost *ghost = argument;
	int error = take_snapshot(ghost);

	if (error == 0) {
		error = hand_over(ghost);
		if (error == 0)
			error = let_go(ghost);
		if (error == 0)
			live_on_as_ghost(ghost);
		rf_procstate_rejoin_rseq(&ghost->snapshot->thread);
	}
	rf_ghost_close_relay(&ghost->relay);
	close_image(ghost);
	if (ghost->snapshot)
		rf_arena_unmap(&ghost->snapshot->large);
	ghost->order->failure = ghost->report;
}

struct rf_arrival *rf_ghost_move(struct rf_ghost_order *order)
{
	struct ghost *ghost = make_ghost(order);

	if (!ghost) {
		rf_report(&order->failure, ENOMEM, "no room for the ghost");
		return NULL;
	}
	ghost->is_moved = true;
	return rf_arch_capture(&ghost->context, order->arena.base + order->arena.bytes, move,
			       ghost);
}

/* -- an image at rest -------------------------------------------------------------------------- */

/* What of take_snapshot() an image needs that is there already. */
static int prepare_to_carry(struct ghost *ghost)
{
	struct rf_arena *arena = &ghost->order->arena;
	void *bounce;

	ghost->frame = rf_arena_take(arena, RF_FRAME_MAX_BYTES);
	bounce = rf_arena_take(arena, BOUNCE_BYTES);
	if (!ghost->frame || !bounce)
		return rf_report(&ghost->report, ENOMEM, "no room to send the image");
	rf_image_writer_continue(ghost->writer, ghost->order->deadline_ns, -1, bounce);
	return 0;
}

int rf_ghost_carry(struct rf_ghost_order *order, const struct rf_ghost_cargo *cargo,
		   struct rf_report *report)
{
	struct ghost *ghost = make_ghost(order);
	int error;

	if (!ghost)
		return rf_report(report, ENOMEM, "no room for the ghost");
	ghost->cargo = *cargo;
	error = prepare_to_carry(ghost);
	if (error == 0)
		error = send_image(ghost);
	if (error == 0)
		error = prepare_relay(ghost);
	if (error == 0)
		error = await_child(ghost);
	if (error == 0) {
		disguise(ghost);
		rf_ghost_relay(&ghost->relay);
	}
	rf_ghost_close_relay(&ghost->relay);
	*report = ghost->report;
	return error;
}
