/* SPDX-License-Identifier: MIT */
/*
 * The ghost from the capture point until the child runs: sends the image, learns
 * the outcome, tells the caller, and gives its copy of the caller's memory back.
 *
 * After rf_arch_capture() all code here runs on the arena's stack, and the image is
 * frozen: no malloc, no stdio, no errno, no write outside the arena.
 */
#define _GNU_SOURCE
#include "rfork/ghost_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rfork.h>

#include "rfork/fdcontent.h"
#include "rfork/fdproof.h"
#include "rfork/ghost_accept.h"
#include "rfork/ghost_memory.h"
#include "rfork/ghost_signals.h"
#include "rfork/held.h"
#include "rfork/image_writer.h"
#include "rfork/io.h"
#include "rfork/snapshot.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define EXIT_STATUS_FAILED 1 /* nobody sees it: rfork() reaps this ghost */
#define BOUNCE_BYTES ((size_t)RF_PAGES_MAX_DATA_PAGES * PAGE_BYTES)

/* What must not be done before the state of the process has been collected. */
static void disguise(struct rf_ghost *ghost)
{
	struct rlimit none = { 0, 0 };

	rf_sys_prctl(PR_SET_NAME, (unsigned long)ghost->order->name, 0, 0, 0);
	rf_syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
}

/* -- the frozen image -------------------------------------------------------------------------- */

static void freeze(struct rf_ghost *ghost)
{
	if (ghost->order->frozen != RF_FROZEN_TRUSTED)
		ghost->digest = rf_snapshot_digest(ghost->snapshot);
	if (ghost->order->frozen == RF_FROZEN_BROKEN)
		*(volatile uint64_t *)(ghost->context.rsp - 4096) ^= 1;
}

int rf_ghost_check_frozen(struct rf_ghost *ghost)
{
	if (!ghost->snapshot || ghost->order->frozen == RF_FROZEN_TRUSTED ||
	    ghost->digest == rf_snapshot_digest(ghost->snapshot))
		return 0;
	return rf_report(&ghost->report, EIO, "the image changed while it was sent");
}

void *rf_ghost_take(struct rf_ghost *ghost, size_t bytes)
{
	return ghost->snapshot ? rf_snapshot_take(ghost->snapshot, bytes)
			       : rf_arena_take(&ghost->order->arena, bytes);
}

/* -- its own image ----------------------------------------------------------------------------- */

static int write_own_layout(void *context, struct rf_image_writer *writer)
{
	struct rf_ghost *ghost = context;

	return rf_snapshot_write_layout(ghost->snapshot, writer, &ghost->order->request);
}

static int write_own_pages(void *context, struct rf_image_writer *writer)
{
	struct rf_ghost *ghost = context;
	int error = rf_fdcontent_write_nameless(&ghost->order->fds, writer, &ghost->report);

	return error < 0 ? error : rf_snapshot_write_pages(ghost->snapshot, writer);
}

static int write_own_lacking(void *context, struct rf_image_writer *writer, uint32_t index)
{
	struct rf_ghost *ghost = context;

	return index & RF_NEED_CONTENT
		       ? rf_fdcontent_write_lacking(&ghost->order->fds, writer,
						    index & ~RF_NEED_CONTENT, &ghost->report)
		       : rf_snapshot_write_lacking(ghost->snapshot, writer, index);
}

/* The snapshot as what is sent. */
static void load_own(struct rf_ghost *ghost)
{
	size_t files = rf_fdcontent_count_named(&ghost->order->fds);

	for (size_t i = 0; i < ghost->snapshot->mapping_count; i++)
		files += ghost->snapshot->mappings[i].image.kind == RF_MAPPING_FILE;
	ghost->cargo = (struct rf_ghost_cargo){ .context = ghost,
						.file_mappings = files,
						.write_layout = write_own_layout,
						.write_pages = write_own_pages,
						.write_lacking = write_own_lacking };
}

/* Collects the snapshot and opens the memory that it describes. */
static int collect(struct rf_ghost *ghost, int *memory_fd)
{
	int error;

	if (!ghost->order->request.same_boot)
		rf_fdproof_witness(&ghost->order->fds);
	error = rf_snapshot_collect(ghost->snapshot, &ghost->order->arena, &ghost->context,
				    &ghost->order->request, &ghost->report);
	if (error == 0 && !ghost->is_looking)
		error = rf_refusals_report(&ghost->order->refusals, "cannot travel", "",
					   &ghost->report);
	if (error < 0)
		return error;
	error = rf_fdcontent_open(&ghost->order->fds, &ghost->report);
	if (error < 0 && ghost->is_looking)
		error = rf_refuse_reported(&ghost->order->refusals, &ghost->report);
	if (error < 0)
		return error;
	if (ghost->is_moved)
		rf_rest_mark_locked(&ghost->order->kept, ghost->snapshot);
	load_own(ghost);
	*memory_fd = rf_sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (*memory_fd < 0)
		return rf_report(&ghost->report, -*memory_fd, "/proc/self/mem: %m");
	ghost->snapshot->smaps_fd = rf_sys_open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	return ghost->snapshot->smaps_fd < 0 ? rf_report(&ghost->report, -ghost->snapshot->smaps_fd,
							 "/proc/self/smaps: %m")
					     : 0;
}

static int take_snapshot(struct rf_ghost *ghost)
{
	struct rf_arena *arena = &ghost->order->arena;
	int dumpable = rf_sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	void *bounce;
	int memory_fd;
	int error;

	/* memory may be read whose key denies that to the program */
	ghost->order->request.key_rights = rf_keys_open();
	ghost->scratch = arena->used;
	ghost->frame = rf_arena_take(arena, RF_FRAME_MAX_BYTES);
	ghost->snapshot = rf_arena_take(arena, sizeof(*ghost->snapshot));
	bounce = rf_arena_take(arena, BOUNCE_BYTES);
	if (!ghost->frame || !ghost->snapshot || !bounce)
		return rf_report(&ghost->report, ENOMEM, "no room to collect the image");
	ghost->snapshot->pagemap.fd = ghost->snapshot->smaps_fd = -1;
	ghost->snapshot->original = ghost->is_moved ? 0 : (int)rf_syscall(SYS_getppid);
	ghost->order->request.identity.ghost = (uint32_t)rf_syscall(SYS_getpid);
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
				 ghost->is_moved || ghost->is_looking || ghost->order->is_async
					 ? ghost->order->deadline_ns
					 : RF_NO_DEADLINE,
				 memory_fd, bounce);
	return 0;
}

/* -- the life of a ghost ----------------------------------------------------------------------- */

/* Nobody waits for an answer: whoever started the process sees its end. */
_Noreturn static void fail_async(struct rf_ghost *ghost)
{
	struct rf_report told = { 0 };

	rf_report(&told, ghost->report.error, "rfork: %s: %s", ghost->order->host,
		  ghost->report.sentence);
	rf_ghost_complain(&ghost->relay, told.sentence);
	rf_ghost_die(SIGKILL);
}

static void tell_caller(struct rf_ghost *ghost)
{
	struct iovec pieces[] = { { &ghost->status, sizeof(ghost->status) },
				  { ghost->warnings->text, ghost->warnings->bytes } };

	ghost->status.report = ghost->report;
	ghost->status.node_pid = ghost->running.pid;
	ghost->status.warning_bytes = ghost->warnings->bytes;
	/* A caller that is gone needs no answer, and the child runs without it. */
	rf_io_writev_full(ghost->order->status_fd, pieces, 2, RF_NO_DEADLINE);
	rf_sys_close(ghost->order->status_fd);
}

/* While the node restores the child: a failure can still be told. */
static int prepare_relay(struct rf_ghost *ghost)
{
	int error = rf_ghost_prepare_relay(&ghost->relay);

	return error < 0 ? rf_report(&ghost->report, -error, "descriptors for the relay: %m") : 0;
}

/* From the frozen image to the child that runs, or waits for its caller to go. */
static int hand_over(struct rf_ghost *ghost)
{
	int error;

	rf_procstate_leave_rseq(&ghost->snapshot->thread);
	freeze(ghost);
	error = rf_ghost_send_image(ghost);
	if (error == 0)
		error = prepare_relay(ghost);
	return error < 0 ? error : rf_ghost_await_child(ghost);
}

static void close_image(struct rf_ghost *ghost)
{
	rf_ghost_road_end(ghost);
	rf_packer_end(&ghost->packer);
	rf_fdproof_release(&ghost->order->fds);
	rf_fdcontent_close(&ghost->order->fds);
	if (ghost->snapshot && ghost->snapshot->pagemap.fd >= 0)
		rf_pagemap_close(&ghost->snapshot->pagemap);
	if (ghost->snapshot && ghost->snapshot->smaps_fd >= 0)
		rf_sys_close(ghost->snapshot->smaps_fd);
	if (ghost->writer->memory_fd >= 0)
		rf_sys_close(ghost->writer->memory_fd);
	ghost->writer->memory_fd = -1;
}

/* Its first acts, whether it lives or only looks. */
static int begin(struct rf_ghost *ghost)
{
	int error;

	rf_ghost_block_signals();
	rf_ghost_close_others(ghost);
	error = take_snapshot(ghost);
	disguise(ghost);
	return error;
}

static void live(void *argument)
{
	struct rf_ghost *ghost = argument;
	int error = begin(ghost);

	if (error == 0)
		error = hand_over(ghost);
	if (error == 0 && ghost->order->request.flags & RFORK_DETACH)
		error = rf_ghost_detach(ghost);
	close_image(ghost);
	if (error < 0 && ghost->order->is_async)
		fail_async(ghost);
	tell_caller(ghost);
	if (error < 0)
		rf_sys_exit(EXIT_STATUS_FAILED);
	if (ghost->order->request.flags & RFORK_DETACH)
		rf_sys_exit(0);
	rf_ghost_close_files(&ghost->order->fds);
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
static struct rf_ghost *make_ghost(struct rf_ghost_order *order)
{
	struct rf_arena *arena = &order->arena;
	struct rf_ghost *ghost = rf_arena_take(arena, sizeof(*ghost));

	if (!ghost)
		return NULL;
	ghost->order = order;
	ghost->writer = order->writer;
	ghost->road.helper.socket = -1;
	ghost->relay.channels =
		rf_arena_take(arena, count_channels(&order->fds) * sizeof(*ghost->relay.channels));
	ghost->relay.tools.buffer = rf_arena_take(arena, RF_FRAME_MAX_BYTES);
	ghost->warnings = rf_arena_take(arena, sizeof(*ghost->warnings));
	if (!ghost->relay.channels || !ghost->relay.tools.buffer || !ghost->warnings)
		return NULL;
	rf_ghost_plan_relay(ghost);
	return ghost;
}

struct rf_arrival *rf_ghost_become(struct rf_ghost_order *order)
{
	struct rf_ghost *ghost = make_ghost(order);

	if (!ghost)
		rf_sys_exit(EXIT_STATUS_FAILED);
	return rf_arch_capture(&ghost->context, order->arena.base + order->arena.bytes, live,
			       ghost);
}

/* -- a process that is looked at --------------------------------------------------------------- */

static void tell_refusals(struct rf_ghost *ghost)
{
	const struct rf_refusals *refusals = &ghost->order->refusals;

	rf_io_write_full(ghost->order->status_fd, refusals, sizeof(*refusals), RF_NO_DEADLINE);
	rf_io_write_full(ghost->order->status_fd, refusals->lines, refusals->used, RF_NO_DEADLINE);
}

static void look(void *argument)
{
	struct rf_ghost *ghost = argument;
	int error = begin(ghost);

	if (error == 0 && ghost->order->connection >= 0)
		error = rf_ghost_ask(ghost);
	close_image(ghost);
	if (error < 0)
		error = rf_refuse_reported(&ghost->order->refusals, &ghost->report);
	ghost->status.report = ghost->report;
	rf_io_write_full(ghost->order->status_fd, &ghost->status, sizeof(ghost->status),
			 RF_NO_DEADLINE);
	if (error == 0)
		tell_refusals(ghost);
	rf_sys_exit(0);
}

void rf_ghost_look(struct rf_ghost_order *order)
{
	struct rf_ghost *ghost = make_ghost(order);

	if (!ghost)
		rf_sys_exit(EXIT_STATUS_FAILED);
	ghost->is_looking = true;
	order->road = RF_ROAD_UNWANTED; /* for no pages */
	rf_arch_capture(&ghost->context, order->arena.base + order->arena.bytes, look, ghost);
	rf_sys_exit(EXIT_STATUS_FAILED); /* nothing is ever restored of it */
}

/* -- a process that moves ---------------------------------------------------------------------- */

/* It has gone: what is left here is its ghost, which ends by SIGKILL if it is lost. */
_Noreturn static void live_on_as_ghost(struct rf_ghost *ghost)
{
	close_image(ghost);
	rf_ghost_close_originals(ghost);
	rf_held_end();
	disguise(ghost);
	ghost->order->deadline_ns = RF_NO_DEADLINE;
	if (ghost->order->request.flags & RFORK_DETACH) {
		if (rf_ghost_detach(ghost) < 0)
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
	struct rf_ghost *ghost = argument;
	int error = take_snapshot(ghost);

	if (error == 0) {
		error = hand_over(ghost);
		if (error == 0)
			error = rf_ghost_let_go(ghost);
		if (error == 0)
			live_on_as_ghost(ghost);
		rf_procstate_rejoin_rseq(&ghost->snapshot->thread);
	}
	rf_ghost_close_relay(&ghost->relay);
	close_image(ghost);
	if (ghost->snapshot)
		rf_arena_unmap(&ghost->snapshot->large);
	rf_keys_close(&ghost->order->request.key_rights);
	ghost->order->failure = ghost->report;
}

struct rf_arrival *rf_ghost_move(struct rf_ghost_order *order)
{
	struct rf_ghost *ghost = make_ghost(order);

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
static int prepare_to_carry(struct rf_ghost *ghost)
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

/* The process has no call in which it could be told. */
static void show_warnings(const struct rf_ghost *ghost)
{
	rf_io_write_full(STDERR_FILENO, ghost->warnings->text, ghost->warnings->bytes,
			 RF_NO_DEADLINE);
}

int rf_ghost_carry(struct rf_ghost_order *order, const struct rf_ghost_cargo *cargo,
		   struct rf_report *report)
{
	struct rf_ghost *ghost = make_ghost(order);
	int error;

	if (!ghost)
		return rf_report(report, ENOMEM, "no room for the ghost");
	ghost->cargo = *cargo;
	error = prepare_to_carry(ghost);
	if (error == 0)
		error = rf_ghost_send_image(ghost);
	if (error == 0)
		error = prepare_relay(ghost);
	if (error == 0)
		error = rf_ghost_await_child(ghost);
	rf_ghost_road_end(ghost);
	rf_packer_end(&ghost->packer);
	if (error == 0) {
		show_warnings(ghost);
		disguise(ghost);
		rf_ghost_relay(&ghost->relay);
	}
	rf_ghost_close_relay(&ghost->relay);
	*report = ghost->report;
	return error;
}
