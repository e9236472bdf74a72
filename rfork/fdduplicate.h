/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors of a table are duplicates: share one open file description, with its offset and
 * flags.  Called by fdtable.c for one entry after the other.
 */
#ifndef RF_FDDUPLICATE_H
#define RF_FDDUPLICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/image_format.h"

/* What the entries of a table are told apart by. */
struct rf_fdduplicates {
	const struct rf_fdtable *table;
	struct rf_image_file *identities; /* of each entry, and of the one that is looked at */
	uint32_t *order;		  /* the entries that are no duplicates, in an order */
	size_t count;			  /* of these */
	pid_t pid;			  /* ours, once it is needed; else 0 */
};

/* Makes room for a table of `count` entries; 0 or -ENOMEM. */
int rf_fdduplicates_begin(struct rf_fdduplicates *known, const struct rf_fdtable *table,
			  struct rf_arena *arena, size_t count);

/*
 * Makes the entry, the next of the table, whose identity is in its place, a relay if it is a
 * duplicate of a standard descriptor that is one: it goes through the original, too, whatever it
 * would be by itself, or a file would be opened anew, with another offset.
 */
bool rf_fdduplicates_find_standard(struct rf_fdduplicates *known, struct rf_fd *entry);

/*
 * Makes the entry, the next of the table, which has been classified, a duplicate if an earlier one
 * has its description.  No system call unless there is one of the same kind and inode; then as many
 * as the logarithm of their number, or as many as there are where kcmp(2) is not permitted.
 * Returns its place in the order, for rf_fdduplicates_add().
 */
size_t rf_fdduplicates_find(struct rf_fdduplicates *known, struct rf_fd *entry);

/* Adds the entry, which is taken into the table now, unless it is a duplicate. */
void rf_fdduplicates_add(struct rf_fdduplicates *known, const struct rf_fd *entry, size_t place);

#endif
