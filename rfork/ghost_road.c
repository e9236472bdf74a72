/* SPDX-License-Identifier: MIT */
/*
 * A ghost's road for pages beside its connection.  Called by ghost_handover.c and, as the writer's
 * carrier, by image_writer.c.
 *
 * Registered is a ring rather than the snapshot: registering memory copies each page that is
 * shared with the caller (even for reading), populates what was never touched, and locks all of
 * it, of which an ordinary user may have a few MiB.
 */
#define _GNU_SOURCE
#include "rfork/ghost_road.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "rfork/digest.h"
#include "rfork/frame.h"
#include "rfork/ghost_parts.h"
#include "rfork/io.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define SLOT_BYTES ((size_t)RF_PAGES_MAX_DATA_PAGES * PAGE_BYTES)
#define SLOTS_MAX 8u
/* Of locked memory, for what the device needs besides. */
#define LOCKED_RESERVE_BYTES ((size_t)1 << 20)
#define CONNECTIONS 4u

/* -- losses ------------------------------------------------------------------------------------ */

/* Whether the pages may go by the connection instead; if not, the report says why. */
static int give_way(struct rf_ghost *ghost, const struct rf_report *loss)
{
	if (ghost->order->road == RF_ROAD_DEMANDED)
		return rf_report(&ghost->report, loss->error, "%s: %s", ghost->order->host,
				 loss->sentence);
	return 0;
}

/* Before the node has heard of the road. */
static int do_without(struct rf_ghost *ghost, const struct rf_report *loss)
{
	rf_ghost_road_end(ghost);
	ghost->road.state = RF_ROAD_ABSENT;
	return give_way(ghost, loss);
}

static struct rf_image_carried carried_in(const struct rf_ghost_road *road, uint32_t number,
					  struct iovec *data)
{
	const struct rf_road_slot *slot = &road->slots[number];

	*data = (struct iovec){ road->ring + number * SLOT_BYTES, slot->data_bytes };
	return (struct rf_image_carried){ .runs = slot->runs,
					  .run_count = slot->run_count,
					  .data = data,
					  .data_count = 1,
					  .data_bytes = slot->data_bytes };
}

/* Sends again, by the connection, what the node could not take. */
static int send_again(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	int error = 0;

	for (; road->under_way && error == 0; road->under_way--) {
		struct iovec data;
		struct rf_image_carried record = carried_in(road, road->first, &data);

		error = rf_image_write_again(ghost->writer, &record);
		road->first = (road->first + 1) % road->slot_count;
	}
	return error;
}

/* The node has lost the road, or never found it. */
static int lose(struct rf_ghost *ghost, const struct rf_report *loss)
{
	int error = give_way(ghost, loss);

	ghost->writer->carrier = NULL;
	if (error == 0)
		error = send_again(ghost);
	ghost->road.state = RF_ROAD_LOST;
	rf_ghost_road_end(ghost);
	return error;
}

/* -- the helper -------------------------------------------------------------------------------- */

/* Reads what the helper says; its end is a loss as well. */
static void read_helper(struct rf_ghost_road *road, struct rf_pages_message *message)
{
	struct rf_ghost_helper *helper = &road->helper;
	long got;

	do
		got = rf_sys_read(helper->socket, message, sizeof(*message));
	while (got == -EINTR);
	if (got == (long)sizeof(*message))
		return;
	*message = (struct rf_pages_message){ .word = RF_PAGES_LOST };
	if (helper->error < 0)
		rf_report(&message->report, (int)-helper->error, "%s cannot be started: %m",
			  helper->path);
	else
		rf_report(&message->report, ECONNRESET, "%s has ended", helper->path);
}

/* The helper is gone, and the road with it; what is under way the node still has to give back. */
static int hear_helper(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	struct rf_pages_message message;

	read_helper(road, &message); /* after READY it can only be LOST */
	rf_ghost_helper_end(&road->helper);
	if (road->state == RF_ROAD_SETTLED)
		return 0;
	ghost->writer->carrier = NULL;
	if (road->state == RF_ROAD_OPEN)
		road->state = RF_ROAD_FAILING;
	return give_way(ghost, &message.report);
}

int rf_ghost_road_wait(struct rf_ghost *ghost)
{
	struct pollfd fds[2] = {
		{ .fd = ghost->order->connection, .events = POLLIN },
		{ .fd = ghost->road.helper.socket, .events = POLLIN },
	};
	int error;

	if (ghost->road.helper.socket < 0)
		return 1;
	error = rf_io_wait_any(fds, 2, ghost->order->deadline_ns);
	if (error == 0 && fds[1].revents)
		error = hear_helper(ghost);
	return error < 0 ? error : fds[0].revents != 0;
}

/* -- the beginning ----------------------------------------------------------------------------- */

static size_t slots_within(rlim_t limit, size_t reserve_bytes)
{
	size_t slots;

	if (limit == RLIM_INFINITY)
		return SLOTS_MAX;
	slots = limit < reserve_bytes ? 0 : (limit - reserve_bytes) / SLOT_BYTES;
	return slots < SLOTS_MAX ? slots : SLOTS_MAX;
}

/* 0 = a ring cannot be had. */
static uint32_t choose_slots(void)
{
	struct rlimit memory = { 0, 0 }, file = { 0, 0 };
	size_t locked, slots;

	rf_syscall(SYS_prlimit64, 0, RLIMIT_MEMLOCK, NULL, &memory);
	rf_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &file);
	locked = slots_within(memory.rlim_cur, LOCKED_RESERVE_BYTES);
	/* the ring is a file, and one that is too large costs a signal */
	slots = slots_within(file.rlim_max, 0);

	/* who is above the limit of locked memory finds out; others are told by the helper */
	if (locked == 0)
		locked = 1;
	return (uint32_t)(slots < locked ? slots : locked);
}

/* The limit that the caller has set is for its own files, not for this one; but who has no right to
 * more cannot have it either. */
static long size_ring(int fd, size_t bytes)
{
	struct rlimit before, raised;
	long result = rf_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &before);

	if (result < 0)
		return result;
	raised = (struct rlimit){ before.rlim_max, before.rlim_max };
	rf_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &raised, NULL);
	result = rf_syscall(SYS_ftruncate, fd, bytes);
	rf_syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, &before, NULL);
	return result;
}

/* Memory that the helper maps, too; the descriptor, or a negative errno. */
static int make_ring(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	size_t bytes;
	long address;
	int fd;

	road->slot_count = choose_slots();
	if (road->slot_count == 0)
		return -EFBIG;
	bytes = road->slot_count * SLOT_BYTES;
	road->slots = rf_ghost_take(ghost, road->slot_count * sizeof(*road->slots));
	if (!road->slots)
		return -ENOMEM;
	fd = rf_io_above_stdio((int)rf_syscall(SYS_memfd_create, "rfork-pages", MFD_CLOEXEC));
	if (fd < 0)
		return fd;
	address = size_ring(fd, bytes);
	if (address == 0)
		address = rf_sys_mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (address < 0 && address > -4096) {
		rf_sys_close(fd);
		return (int)address;
	}
	road->ring = (unsigned char *)address;
	return fd;
}

/* What the helper needs to know. */
static int send_order(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	struct rf_pages_order order = { .ring_bytes = road->slot_count * SLOT_BYTES,
					.connections = CONNECTIONS };
	socklen_t length = sizeof(order.address);
	long done = rf_syscall(SYS_getsockname, ghost->order->connection, &order.address, &length);

	if (done < 0)
		return (int)done;
	done = rf_syscall(SYS_getrandom, road->token, sizeof(road->token), 0);
	if (done != (long)sizeof(road->token))
		return done < 0 ? (int)done : -EIO;
	memcpy(order.token, road->token, sizeof(order.token));
	done = rf_io_write_full(road->helper.socket, &order, sizeof(order), RF_NO_DEADLINE);
	explicit_bzero(&order, sizeof(order));
	/* one that could not be started says so when it is asked */
	return done == -EPIPE || done == -ECONNRESET ? 0 : (int)done;
}

int rf_ghost_road_begin(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	struct rf_report loss = { 0 };
	int error, ring;

	if (ghost->order->road == RF_ROAD_UNWANTED)
		return 0;
	road->state = RF_ROAD_PREPARED;
	ring = make_ring(ghost);
	error = ring < 0 ? ring
			 : rf_ghost_helper_start(&road->helper, &ghost->order->arena,
						 ghost->order->pages_helper, ring);
	if (ring >= 0)
		rf_sys_close(ring);
	if (error == 0)
		error = send_order(ghost);
	if (error == 0)
		return 0;
	rf_report(&loss, -error, "a helper for pages that go by RDMA: %m");
	return do_without(ghost, &loss);
}

/* -- the offer --------------------------------------------------------------------------------- */

/* The most that the helper's start, or making the connections, may take: half of the time that is
 * left, so that the pages can still go by the connection. */
static int get_patience_ms(const struct rf_ghost *ghost)
{
	int64_t left_ms = (ghost->order->deadline_ns - rf_io_now_ns()) / 1000000 / 2;

	if (left_ms < 1)
		return 1;
	return left_ms < RF_ROAD_MAX_CONNECT_MS ? (int)left_ms : (int)RF_ROAD_MAX_CONNECT_MS;
}

/* Says where the node is to read.  The token is nobody else's from then on. */
static int write_offer(struct rf_ghost *ghost, const struct rf_pages_message *ready)
{
	struct rf_ghost_road *road = &ghost->road;
	struct rf_image_road record = { .kind = RF_ROAD_RDMA,
					.flags = RF_ROAD_NEEDS_TAKEN,
					.family = ready->family,
					.port = ready->port,
					.connections = CONNECTIONS,
					.connect_ms = (uint32_t)get_patience_ms(ghost) };
	struct iovec piece = { &record, sizeof(record) };
	int error;

	memcpy(record.address, ready->address, sizeof(record.address));
	memcpy(record.token, road->token, sizeof(record.token));
	error = rf_image_write(ghost->writer, RF_RECORD_ROAD, &piece, 1);
	if (error == 0)
		error = rf_image_writer_flush(ghost->writer);
	explicit_bzero(ghost->writer->buffer, sizeof(ghost->writer->buffer));
	explicit_bzero(&record, sizeof(record));
	explicit_bzero(road->token, sizeof(road->token));
	return error;
}

/* A helper that says nothing is none. */
static void await_ready(struct rf_ghost *ghost, struct rf_pages_message *ready)
{
	struct rf_ghost_road *road = &ghost->road;
	int error =
		rf_io_wait(road->helper.socket, POLLIN, rf_io_deadline_ns(get_patience_ms(ghost)));

	if (error == 0) {
		read_helper(road, ready);
		return;
	}
	*ready = (struct rf_pages_message){ .word = RF_PAGES_LOST };
	rf_report(&ready->report, -error, "%s is not ready: %m", road->helper.path);
}

/* Copies the data of a record into a slot. */
static void fill_slot(struct rf_ghost_road *road, uint32_t number,
		      const struct rf_image_carried *record, struct rf_image_remote_pages *head,
		      uint64_t *digest)
{
	struct rf_road_slot *slot = &road->slots[number];
	const struct iovec parts[] = { { head, sizeof(*head) },
				       { slot->runs, record->run_count * sizeof(slot->runs[0]) } };

	slot->run_count = record->run_count;
	slot->data_bytes = record->data_bytes;
	memcpy(slot->runs, record->runs, record->run_count * sizeof(slot->runs[0]));
	head->remote_key = road->remote_key;
	head->remote_address = road->remote_address + number * SLOT_BYTES;
	*digest = rf_digest64_copy(parts, 2, road->ring + number * SLOT_BYTES, record->data,
				   record->data_count);
}

/* The writer's carrier: waits for a slot, unless the road is lost meanwhile. */
static int carry(void *context, const struct rf_image_carried *record,
		 struct rf_image_remote_pages *head, uint64_t *digest)
{
	struct rf_ghost *ghost = context;
	struct rf_ghost_road *road = &ghost->road;
	int error = 0;

	while (error == 0 && road->state == RF_ROAD_OPEN && road->under_way == road->slot_count)
		error = rf_ghost_hear(ghost);
	if (error < 0 || road->state != RF_ROAD_OPEN)
		return error;
	fill_slot(road, (road->first + road->under_way++) % road->slot_count, record, head, digest);
	return 1;
}

int rf_ghost_road_offer(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	struct rf_pages_message ready;
	int error;

	if (road->state != RF_ROAD_PREPARED)
		return 0;
	await_ready(ghost, &ready);
	if (ready.word != RF_PAGES_READY)
		return do_without(ghost, &ready.report);
	road->remote_key = ready.remote_key;
	road->remote_address = ready.remote_address;
	road->carrier = (struct rf_image_carrier){ .carry = carry, .context = ghost };
	error = write_offer(ghost, &ready);
	road->state = RF_ROAD_OFFERED;
	while (error == 0 && road->state == RF_ROAD_OFFERED)
		error = rf_ghost_hear(ghost);
	return error;
}

/* -- what the node says ------------------------------------------------------------------------ */

static int hear_opened(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;

	if (road->state != RF_ROAD_OFFERED)
		return -EBADMSG;
	/* without a helper the node is about to find it lost */
	road->state = road->helper.socket >= 0 ? RF_ROAD_OPEN : RF_ROAD_FAILING;
	ghost->writer->carrier = road->state == RF_ROAD_OPEN ? &road->carrier : NULL;
	return 0;
}

static int hear_road(struct rf_ghost *ghost, size_t bytes)
{
	struct rf_report loss = { 0 };
	int32_t error;

	if (bytes < sizeof(error))
		return -EBADMSG;
	memcpy(&error, ghost->frame, sizeof(error));
	if (error == 0)
		return bytes == sizeof(error) ? hear_opened(ghost) : -EBADMSG;
	rf_frame_refused(ghost->frame, bytes, &loss);
	switch (ghost->road.state) {
	case RF_ROAD_OFFERED:
	case RF_ROAD_OPEN:
	case RF_ROAD_FAILING:
		return lose(ghost, &loss);
	case RF_ROAD_SETTLED: /* it has served */
		return 0;
	default:
		return -EBADMSG;
	}
}

static int hear_taken(struct rf_ghost_road *road, const void *payload, size_t bytes)
{
	struct rf_frame_taken taken;

	if (bytes != sizeof(taken))
		return -EBADMSG;
	memcpy(&taken, payload, sizeof(taken));
	if (taken.records == 0 || taken.records > road->under_way)
		return -EBADMSG;
	road->first = (road->first + taken.records) % road->slot_count;
	road->under_way -= taken.records;
	return 0;
}

int rf_ghost_road_hear(struct rf_ghost *ghost, const struct rf_frame_header *header)
{
	if (header->type == RF_FRAME_TAKEN)
		return hear_taken(&ghost->road, ghost->frame, header->length_bytes);
	return hear_road(ghost, header->length_bytes);
}

/* -- the end ----------------------------------------------------------------------------------- */

int rf_ghost_road_settle(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;
	int error = 0;

	while (error == 0 && road->under_way)
		error = rf_ghost_hear(ghost);
	if (road->state == RF_ROAD_OPEN || road->state == RF_ROAD_FAILING)
		road->state = RF_ROAD_SETTLED;
	ghost->writer->carrier = NULL;
	return error;
}

void rf_ghost_road_end(struct rf_ghost *ghost)
{
	struct rf_ghost_road *road = &ghost->road;

	rf_ghost_helper_end(&road->helper);
	if (road->ring)
		rf_sys_munmap((uintptr_t)road->ring, road->slot_count * SLOT_BYTES);
	road->ring = NULL;
	explicit_bzero(road->token, sizeof(road->token));
}
