/* SPDX-License-Identifier: MIT */
/*
 * What descriptors lead to that has no name outside the process: eventfd(2) and its like.  Found
 * when the table of descriptors is made, looked at just before the process is captured, and written
 * with its image.
 */
#ifndef RF_FDOBJECT_H
#define RF_FDOBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/image_writer.h"
#include "rfork/lines.h"
#include "rfork/report.h"

/* Whether a descriptor leads to such an object.  path: what /proc says of it. */
bool rf_fdobject_is(const struct stat *status, const char *path);

/* Whether it is one of pidfd_open(2), and the process that it means: -1 = that has ended, 0 = it
 * has no number here. */
bool rf_fdobject_is_process(const char *path);
long rf_fdobject_find_process(int fd);

/* Finds out which one an entry leads to; 0, or -ENOTSUP for one that does not travel. */
int rf_fdobject_classify(const struct rf_fdtable *table, struct rf_fd *entry);

/* Gives the last entry of the table its object, if it leads to one and is no duplicate.  0 or
 * -ENOMEM. */
int rf_fdobject_add(struct rf_fdtable *table, struct rf_fd *entry, struct rf_arena *arena);

/* Adds an object to the table, of which only the index is known; NULL if there is no room. */
struct rf_fdobject *rf_fdobject_append(struct rf_fdtable *table, struct rf_arena *arena);

/*
 * Reads what all of them hold, once the table is complete; nothing of them changes.  What cannot
 * travel of one is added to the refusals; NULL: it is left out.  0 or a negative errno with a
 * report.
 */
int rf_fdobject_look(struct rf_fdtable *table, struct rf_arena *arena, struct rf_refusals *refusals,
		     struct rf_report *report);

/* Reads again what may have changed since: just before the process is captured, when no signal
 * handler runs any more. */
void rf_fdobject_renew(struct rf_fdtable *table);

/* Leaves out what is watched of descriptors that have been taken from the table since. */
void rf_fdobject_keep_watches(struct rf_fdtable *table);

/* Appends their records, and, behind those of all descriptors, what they watch.  is_at_rest: time
 * stands still.  No malloc, no errno. */
int rf_fdobject_write(const struct rf_fdtable *table, struct rf_image_writer *writer,
		      bool is_at_rest);
int rf_fdobject_write_watches(const struct rf_fdtable *table, struct rf_image_writer *writer);

/* Hands over each line of what /proc says of an object, which may be long; 0, the first negative
 * errno of `take`, or one of ours. */
int rf_fdobject_take_lines(const struct rf_fdobject *object, rf_lines_take take, void *context);

/* fdobject_poll.c: the same as rf_fdobject_look() for all of kind POLL. */
int rf_fdobject_look_polls(struct rf_fdtable *table, struct rf_arena *arena,
			   struct rf_refusals *refusals, struct rf_report *report);

/* fdobject_inotify.c: the same for all of kind INOTIFY. */
int rf_fdobject_look_inotify(struct rf_fdtable *table, struct rf_arena *arena,
			     struct rf_refusals *refusals, struct rf_report *report);

/* Whether events wait to be read, which a copy of it does not get. */
bool rf_fdobject_has_unread(const struct rf_fdobject *object);

/* The entry of a number; NULL if there is none. */
const struct rf_fd *rf_fdobject_find_entry(const struct rf_fdtable *table, uint32_t number);

#endif
