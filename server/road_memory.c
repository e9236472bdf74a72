/* SPDX-License-Identifier: MIT */
/*
 * Where READs write to: places of the image's runs, registered one by one for as long as a READ
 * takes, and the bounce buffer.  Works within the limit of locked memory of an ordinary user,
 * which counts all that is registered: where nothing more can be, pieces wait for others, and
 * where nothing at all can be, they go by the buffer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rfork/sys.h"
#include "server/road.h"

#define PAGE_BYTES 4096u
#define BOUNCE_SLOT_BYTES ((size_t)256 << 10)

/* From here on registering, with what a device has to do for it, costs less than copying into
 * memory that is touched for the first time: 94 us of the kernel against 114 us for 256 KiB,
 * and a saving of a few us below, which the device eats up. */
#define DIRECT_BYTES ((size_t)256 << 10)

/* -- the bounce buffer ------------------------------------------------------------------------ */

static void drop_bounce(struct rf_road_bounce *bounce)
{
	if (bounce->region)
		ibv_dereg_mr(bounce->region);
	if (bounce->memory)
		munmap(bounce->memory, RF_ROAD_BOUNCE_SLOTS * bounce->slot_bytes);
	if (bounce->fd >= 0)
		close(bounce->fd);
	*bounce = (struct rf_road_bounce){ .fd = -1 };
}

static int make_bounce(struct rf_road *road, size_t slot_bytes)
{
	struct rf_road_bounce *bounce = &road->bounce;
	size_t bytes = RF_ROAD_BOUNCE_SLOTS * slot_bytes;
	void *memory;
	int error = 0;

	bounce->slot_bytes = slot_bytes;
	bounce->fd = memfd_create("rfork bounce buffer", MFD_CLOEXEC);
	if (bounce->fd < 0 || ftruncate(bounce->fd, (off_t)bytes) < 0)
		error = -errno;
	if (error == 0) {
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bounce->fd, 0);
		bounce->memory = memory == MAP_FAILED ? NULL : memory;
		error = bounce->memory ? 0 : -errno;
	}
	if (error == 0) {
		bounce->region =
			ibv_reg_mr(road->domain, bounce->memory, bytes, IBV_ACCESS_LOCAL_WRITE);
		error = bounce->region ? 0 : -errno;
	}
	if (error < 0)
		drop_bounce(bounce);
	return error == -EPERM ? -ENOMEM : error; /* a limit of 0 is called so */
}

/* The soft limit serves, too, where that is all there is. */
static void raise_limit(struct rf_road *road)
{
	struct rlimit raised;

	if (getrlimit(RLIMIT_MEMLOCK, &road->memlock) < 0)
		return;
	raised = road->memlock;
	raised.rlim_cur = raised.rlim_max;
	road->is_limit_raised = setrlimit(RLIMIT_MEMLOCK, &raised) == 0;
}

int rf_road_open_memory(struct rf_road *road)
{
	size_t slot_bytes = BOUNCE_SLOT_BYTES;
	int error;

	raise_limit(road);
	while ((error = make_bounce(road, slot_bytes)) == -ENOMEM && slot_bytes > PAGE_BYTES)
		slot_bytes /= 2;
	if (error == -ENOMEM)
		rf_road_lose(
			road, ENOMEM,
			"the node's limit of locked memory (RLIMIT_MEMLOCK, %lu bytes) leaves no "
			"room for a buffer of RDMA",
			(unsigned long)road->memlock.rlim_max);
	else if (error < 0)
		rf_road_lose(road, -error, "a buffer of RDMA on the node: %m");
	return 0;
}

void rf_road_close_memory(struct rf_road *road)
{
	drop_bounce(&road->bounce);
	/* the child gets it as it was */
	if (road->is_limit_raised && setrlimit(RLIMIT_MEMLOCK, &road->memlock) == 0)
		road->is_limit_raised = false;
}

/* -- pieces ----------------------------------------------------------------------------------- */

/* Finds the run that holds an offset of the record's data, and how far into it that is. */
static uint32_t find_run(const struct rf_page_record *pages, uint64_t offset, uint64_t *inside)
{
	uint32_t i = 0;

	while (offset >= pages->data[i].iov_len)
		offset -= pages->data[i++].iov_len;
	*inside = offset;
	return i;
}

/* Bytes of short runs from an offset on, up to a limit. */
static uint32_t count_short(const struct rf_page_record *pages, uint64_t offset, size_t limit)
{
	uint64_t inside;
	uint32_t i = find_run(pages, offset, &inside);
	size_t bytes = pages->data[i].iov_len - inside;

	while (++i < pages->data_count && pages->data[i].iov_len < DIRECT_BYTES && bytes < limit)
		bytes += pages->data[i].iov_len;
	return (uint32_t)(bytes < limit ? bytes : limit);
}

/* Whether a READ to a place of the image is under way. */
static bool has_registered(const struct rf_road *road)
{
	for (uint32_t i = 0; i < RF_ROAD_PIECES; i++)
		if (road->pieces[i].record && road->pieces[i].region)
			return true;
	return false;
}

/* Registers the place of the next piece, as much as one READ takes.  -ENOMEM if it cannot be. */
static int take_place(struct rf_road *road, struct rf_road_piece *piece, char *place, size_t bytes)
{
	if (bytes > road->max_read_bytes)
		bytes = road->max_read_bytes;
	piece->region = ibv_reg_mr(road->domain, place, bytes, IBV_ACCESS_LOCAL_WRITE);
	if (piece->region) {
		piece->bytes = (uint32_t)bytes;
		return 0;
	}
	return errno == ENOMEM && has_registered(road) ? -EAGAIN : -ENOMEM;
}

static int take_slot(struct rf_road *road, struct rf_road_piece *piece, uint64_t *address)
{
	size_t limit = road->bounce.slot_bytes < road->max_read_bytes ? road->bounce.slot_bytes
								      : road->max_read_bytes;

	for (unsigned slot = 0; slot < RF_ROAD_BOUNCE_SLOTS; slot++) {
		if (road->bounce.used[slot])
			continue;
		road->bounce.used[slot] = true;
		piece->slot = (int)slot;
		piece->bytes = count_short(&piece->record->pages, piece->offset, limit);
		*address = (uintptr_t)(road->bounce.memory + slot * road->bounce.slot_bytes);
		return 0;
	}
	return -EAGAIN;
}

int rf_road_take_memory(struct rf_road *road, struct rf_road_piece *piece, uint64_t *address)
{
	const struct rf_page_record *pages = &piece->record->pages;
	uint64_t inside;
	const struct iovec *run = &pages->data[find_run(pages, piece->offset, &inside)];
	char *place = (char *)run->iov_base + inside;
	int error;

	piece->slot = -1;
	piece->region = NULL;
	if (run->iov_len < DIRECT_BYTES)
		return take_slot(road, piece, address);
	*address = (uintptr_t)place;
	error = take_place(road, piece, place, run->iov_len - inside);
	return error == -ENOMEM ? take_slot(road, piece, address) : error;
}

/* Copies from the bounce buffer to the runs; modifies iov. */
static int copy_out(struct rf_road *road, const struct rf_road_piece *piece, struct iovec *iov,
		    int count)
{
	uint64_t offset = (uint64_t)piece->slot * road->bounce.slot_bytes;
	uint64_t end = offset + piece->bytes;

	while (offset < end) {
		long got = rf_syscall(SYS_preadv, road->bounce.fd, iov, count, offset, 0);

		if (got == -EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? (int)got : -EIO;
		offset += (uint64_t)got;
		for (; count && (size_t)got >= iov->iov_len; iov++, count--)
			got -= (long)iov->iov_len;
		if (count) {
			iov->iov_base = (char *)iov->iov_base + got;
			iov->iov_len -= (size_t)got;
		}
	}
	return 0;
}

static int place_slot(struct rf_road *road, const struct rf_road_piece *piece)
{
	const struct rf_page_record *pages = &piece->record->pages;
	struct iovec iov[RF_PAGES_MAX_RUNS];
	size_t left = piece->bytes;
	uint64_t inside;
	uint32_t run = find_run(pages, piece->offset, &inside);
	int count = 0, error;

	while (left) {
		size_t bytes = pages->data[run].iov_len - inside;

		if (bytes > left)
			bytes = left;
		iov[count++] =
			(struct iovec){ (char *)pages->data[run++].iov_base + inside, bytes };
		left -= bytes;
		inside = 0;
	}
	error = copy_out(road, piece, iov, count);
	return error < 0 ? rf_report(&road->shell->report, error == -EFAULT ? ENOMEM : -error,
				     "placing pages of record %lu: %m", pages->sequence)
			 : 0;
}

int rf_road_give_memory(struct rf_road *road, struct rf_road_piece *piece, bool has_data)
{
	int error = 0;

	if (piece->region && ibv_dereg_mr(piece->region) != 0)
		rf_road_lose(road, errno, "memory stays registered on the node: %m");
	piece->region = NULL;
	if (piece->slot < 0)
		return 0;
	if (has_data)
		error = place_slot(road, piece);
	road->bounce.used[piece->slot] = false;
	piece->slot = -1;
	return error;
}
