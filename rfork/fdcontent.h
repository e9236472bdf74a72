/* SPDX-License-Identifier: MIT */
/*
 * Regular files whose bytes travel: memfds, which have no other place, and with RFORK_COPY_FILES
 * what has no path any more, and what the node turns out to lack.  Found with the table of
 * descriptors, and by the snapshot for what is only mapped; read by the frozen ghost.
 */
#ifndef RF_FDCONTENT_H
#define RF_FDCONTENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/image_writer.h"
#include "rfork/maps.h"
#include "rfork/report.h"

/* What is known of a file besides what its OBJECT says. */
struct rf_fdcontent {
	struct rf_image_file identity; /* as fstat(2) has it */
	const char *path;	       /* where it is, if it has a name; or what /proc calls it */
	bool has_path;
	uint64_t map_device, map_inode; /* as the list of mappings shows it */
	int fd;	      /* to read it by, from rf_fdcontent_open() on; or a negative errno */
	bool is_ours; /* fd is a description of our own, whose offset is nobody's */
};

/* Decides how a regular file travels whose path, number and status flags are known: as a content,
 * or as rf_fdpath_classify() says, and with the same result. */
int rf_fdcontent_classify(const struct rf_fdtable *table, struct rf_fd *entry,
			  const struct stat *status, struct rf_arena *arena);

/* Whether a file that no path leads to has bytes that are its own. */
bool rf_fdcontent_can_copy(const struct rf_fd *entry, const struct stat *status);

/* Whether a descriptor, which is no duplicate, is one of a content. */
bool rf_fdcontent_is(const struct rf_fd *entry);

/* Makes the entry, which is no duplicate, a descriptor of the content of its file, which it may
 * share with others.  0 or -ENOMEM. */
int rf_fdcontent_add(struct rf_fdtable *table, struct rf_fd *entry, struct rf_arena *arena);

/* The object of the file that is mapped, by either numbers; RF_IMAGE_NONE if there is none. */
uint32_t rf_fdcontent_find(const struct rf_fdtable *table, const struct rf_map *map,
			   const struct stat *status);

/* Adds the content of a mapped file that has a path and no descriptor; its object, or
 * RF_IMAGE_NONE without memory. */
uint32_t rf_fdcontent_add_mapped(struct rf_fdtable *table, const struct rf_map *map,
				 const struct stat *status, struct rf_arena *arena);

/*
 * Opens all of them for reading and notes their sizes, modes and seals: in the process that sends
 * them, whose /proc files must be open to it.  0 or a negative errno with a report: a file that is
 * not certain to be needed may fail later.
 */
int rf_fdcontent_open(struct rf_fdtable *table, struct rf_report *report);
/*
 * Puts copies of our own into their place, which nobody else can change, under numbers that ascend
 * from `lowest` on.  bounce: RF_CONTENT_MAX_BYTES, whole pages.  0 or a negative errno with a
 * report.
 */
int rf_fdcontent_copy(struct rf_fdtable *table, unsigned lowest, unsigned char *bounce,
		      struct rf_report *report);

/* The next part of an open one that is no hole, at or behind *start; false if there is none. */
bool rf_fdcontent_find_data(const struct rf_fdobject *object, uint64_t *start, uint64_t *end);

void rf_fdcontent_close(struct rf_fdtable *table);

/* How many the node may have by their paths. */
size_t rf_fdcontent_count_named(const struct rf_fdtable *table);

/* Appends the CONTENT records of those that no node can have by a path; or of one that it lacks,
 * -EBADMSG for an index that is none of these.  Each reports only what it cannot read. */
int rf_fdcontent_write_nameless(const struct rf_fdtable *table, struct rf_image_writer *writer,
				struct rf_report *report);
int rf_fdcontent_write_lacking(const struct rf_fdtable *table, struct rf_image_writer *writer,
			       uint32_t index, struct rf_report *report);

#endif
