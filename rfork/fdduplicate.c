/* SPDX-License-Identifier: MIT */
/*
 * Finds duplicates among descriptors.  Thousands may be of one inode, as all eventfds are, so they
 * are not compared each with each: kcmp(2) puts open file descriptions into an order, and who is
 * sought in it is found in few steps.
 */
#define _GNU_SOURCE
#include "rfork/fdduplicate.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <string.h>

#include "rfork/sys.h"

/* Linux 6.10, include/uapi/linux/fcntl.h; missing in older headers. */
#define DUPFD_QUERY 1027

enum order { BEFORE, SAME, AFTER, UNKNOWN };

int rf_fdduplicates_begin(struct rf_fdduplicates *known, const struct rf_fdtable *table,
			  struct rf_arena *arena, size_t count)
{
	*known = (struct rf_fdduplicates){ .table = table };
	known->identities = rf_arena_take(arena, (count + 1) * sizeof(*known->identities));
	known->order = rf_arena_take(arena, (count + 1) * sizeof(*known->order));
	return known->identities && known->order ? 0 : -ENOMEM;
}

/* -- two of them ------------------------------------------------------------------------------- */

/* Where kcmp(2) is not permitted, in a container for one, it cannot be told. */
static enum order compare_descriptions(struct rf_fdduplicates *known, int a, int b)
{
	if (!known->pid)
		known->pid = (pid_t)rf_syscall(SYS_getpid);
	switch (rf_syscall(SYS_kcmp, known->pid, known->pid, KCMP_FILE, a, b)) {
	case 0:
		return SAME;
	case 1:
		return BEFORE;
	case 2:
		return AFTER;
	}
	return UNKNOWN;
}

static bool is_same_by_query(int a, int b)
{
	return rf_syscall(SYS_fcntl, a, DUPFD_QUERY, b) == 1;
}

static bool is_same_description(struct rf_fdduplicates *known, int a, int b)
{
	enum order order = compare_descriptions(known, a, b);

	return order == SAME || (order == UNKNOWN && is_same_by_query(a, b));
}

static enum order compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? BEFORE : a > b ? AFTER : SAME;
}

/* By what duplicates must have in common, as far as it is known without asking. */
static enum order compare_kinds(const struct rf_fdduplicates *known, size_t a, size_t b)
{
	const struct rf_image_file *x = &known->identities[a], *y = &known->identities[b];
	const struct rf_fd *first = &known->table->entries[a], *second = &known->table->entries[b];
	enum order order = compare_numbers(x->inode, y->inode);

	if (order == SAME)
		order = compare_numbers(x->device, y->device);
	if (order == SAME)
		order = compare_numbers(first->image.kind, second->image.kind);
	if (order == SAME)
		order = compare_numbers(first->image.stream, second->image.stream);
	if (order == SAME)
		order = compare_numbers(first->object, second->object);
	return order;
}

static enum order compare(struct rf_fdduplicates *known, size_t a, size_t b)
{
	enum order order = compare_kinds(known, a, b);

	return order == SAME ? compare_descriptions(known, known->table->entries[a].fd,
						    known->table->entries[b].fd)
			     : order;
}

/* -- among those that are known ---------------------------------------------------------------- */

/* The first that is not before the entry by its kind. */
static size_t find_kind(const struct rf_fdduplicates *known, size_t entry)
{
	size_t low = 0, high = known->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_kinds(known, known->order[middle], entry) == BEFORE)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* One after the other of its kind, which have no order then. */
static size_t find_by_query(const struct rf_fdduplicates *known, size_t entry, bool *found)
{
	const struct rf_fd *entries = known->table->entries;
	size_t place = find_kind(known, entry);

	for (; place < known->count && compare_kinds(known, known->order[place], entry) == SAME;
	     place++) {
		*found = is_same_by_query(entries[known->order[place]].fd, entries[entry].fd);
		if (*found)
			break;
	}
	return place;
}

static size_t find_place(struct rf_fdduplicates *known, size_t entry, bool *found)
{
	size_t low = 0, high = known->count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		switch (compare(known, known->order[middle], entry)) {
		case SAME:
			*found = true;
			return middle;
		case BEFORE:
			low = middle + 1;
			break;
		case AFTER:
			high = middle;
			break;
		case UNKNOWN:
			return find_by_query(known, entry, found);
		}
	}
	return low;
}

size_t rf_fdduplicates_find(struct rf_fdduplicates *known, struct rf_fd *entry)
{
	bool found;
	size_t place = find_place(known, (size_t)(entry - known->table->entries), &found);

	if (!found)
		return place;
	entry->image.same_as = known->table->entries[known->order[place]].image.number;
	/* it is not opened */
	entry->image.flags &= (uint16_t) ~(RF_DESCRIPTOR_BY_PATH | RF_DESCRIPTOR_AT_END);
	return place;
}

void rf_fdduplicates_add(struct rf_fdduplicates *known, const struct rf_fd *entry, size_t place)
{
	uint32_t *at = &known->order[place];

	if (entry->image.same_as != RF_IMAGE_NONE)
		return;
	memmove(at + 1, at, (known->count++ - place) * sizeof(*at));
	*at = (uint32_t)(entry - known->table->entries);
}

/* -- standard descriptors ---------------------------------------------------------------------- */

bool rf_fdduplicates_find_standard(struct rf_fdduplicates *known, struct rf_fd *entry)
{
	const struct rf_image_file *identity = &known->identities[known->table->count];

	for (size_t i = 0; i < known->table->count; i++) {
		const struct rf_fd *other = &known->table->entries[i];

		if (other->image.number >= RF_IMAGE_STANDARD_CHANNELS)
			break;
		if (other->image.kind != RF_DESCRIPTOR_RELAY ||
		    other->image.same_as != RF_IMAGE_NONE ||
		    known->identities[i].device != identity->device ||
		    known->identities[i].inode != identity->inode ||
		    !is_same_description(known, other->fd, entry->fd))
			continue;
		entry->image.kind = RF_DESCRIPTOR_RELAY;
		entry->image.stream = other->image.stream;
		entry->image.same_as = other->image.number;
		return true;
	}
	return false;
}
