/* SPDX-License-Identifier: MIT */
/*
 * The descriptors of a ghost: which of the caller's it keeps, as originals of channels and as
 * files whose identity must hold, and which it closes.  Called by ghost.c, frozen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "rfork/fdcontent.h"
#include "rfork/ghost_parts.h"
#include "rfork/sys.h"

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
static void open_terminal(struct rf_ghost *ghost)
{
	const struct rf_terminal *terminal = &ghost->order->terminal;
	struct rf_channel *channel = &ghost->relay.channels[RF_CHANNEL_TERMINAL];

	if (!terminal->device)
		return;
	channel->fd = rf_ghost_terminal_open(&ghost->relay.terminal, terminal);
	channel->stream = RF_STREAM_TERMINAL | RF_STREAM_WRITE;
}

void rf_ghost_plan_relay(struct rf_ghost *ghost)
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

static bool is_file(const struct rf_fd *entry)
{
	return (entry->image.kind == RF_DESCRIPTOR_FILE && entry->image.same_as == RF_IMAGE_NONE) ||
	       rf_fdcontent_is(entry);
}

/* Originals of relays, and files: while a file is open its inode cannot become another's, by
 * which the node would know it. */
static bool is_kept(const struct rf_fd *entry)
{
	return is_original(entry) || is_file(entry);
}

/* Walks, in ascending order, over what the ghost keeps, its own among them. */
struct kept {
	const struct rf_ghost *ghost;
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

void rf_ghost_close_others(struct rf_ghost *ghost)
{
	struct kept kept = { .ghost = ghost };
	unsigned number, first = 0;

	for (; next_kept(&kept, &number); first = number + 1)
		if (number)
			rf_sys_close_between(first, number - 1);
	rf_sys_close_between(first, UINT32_MAX);
}

void rf_ghost_close_files(const struct rf_fdtable *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		if (is_file(&fds->entries[i]))
			rf_sys_close((int)fds->entries[i].image.number);
}
void rf_ghost_close_originals(struct rf_ghost *ghost)
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
