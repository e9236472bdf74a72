/* SPDX-License-Identifier: MIT */
/*
 * Finds the paths of what is known by inode and handle only.
 *
 * With privilege the handle can be opened, which gives one.  Else the inode is looked for where the
 * process itself shows that it is at home: below its working directory and in those above, around
 * what it has open and mapped, and in whatever has been found so.
 */
#ifndef RF_FDSEARCH_H
#define RF_FDSEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"

#define RF_HANDLE_MAX_BYTES 128u /* MAX_HANDLE_SZ */

/* struct file_handle, with as much room as it has bytes. */
struct rf_handle {
	uint32_t bytes;
	int32_t type;
	unsigned char data[];
};

/* Something whose path is not known yet, or is. */
struct rf_wanted {
	int32_t number;			/* of the caller's own */
	uint32_t mask;			/* likewise */
	uint64_t inode, device;		/* device: as the kernel has it, not as stat(2) */
	const struct rf_handle *handle; /* NULL = none */
	const char *path;		/* NULL = not found */
	mode_t mode;			/* of what has been found */
};

struct rf_fdsearch {
	const struct rf_fdtable *table;
	struct rf_arena arena; /* of the search's own */
	struct rf_wanted *wanted;
	size_t count, missing, capacity;
	struct rf_mount *mounts; /* all that the process sees */
	size_t mount_count, kept_bytes;
	const char **folders; /* that have been or will be searched */
	size_t folder_count;
	const char *directory; /* the working directory, unless that is the root */
	bool is_full;
};

/* Begins searches for the process of a table, in memory of their own, which their end gives back;
 * -ENOMEM, and it must be ended, too. */
int rf_fdsearch_begin(struct rf_fdsearch *search, const struct rf_fdtable *table);
void rf_fdsearch_end(struct rf_fdsearch *search);

/* Wants nothing any more, and has forgotten what was found. */
void rf_fdsearch_clear(struct rf_fdsearch *search);

/* Adds something that is wanted, of which all is zero yet; valid until the next.  NULL without
 * room. */
struct rf_wanted *rf_fdsearch_add(struct rf_fdsearch *search);
struct rf_handle *rf_fdsearch_take_handle(struct rf_fdsearch *search, uint32_t bytes);

/* Looks for the paths of all that is wanted, whose order changes; 0, or -ENOMEM without room for
 * them. */
int rf_fdsearch_find(struct rf_fdsearch *search);

#endif
