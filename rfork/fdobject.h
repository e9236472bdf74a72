/* SPDX-License-Identifier: MIT */
/*
 * What descriptors lead to that has no name outside the process: eventfd(2) and its like.  Found when the
 * table of descriptors is made, looked at just before the process is captured, and written with its
 * image.
 */
#ifndef RF_FDOBJECT_H
#define RF_FDOBJECT_H

#include <stdint.h>
#include <sys/stat.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/image_writer.h"
#include "rfork/report.h"

/* Which enum rf_object_kind it is, by what /proc calls the descriptor; 0 = none that travels. */
uint32_t rf_fdobject_kind(const struct stat *status, const char *path);

/* Gives the last entry of the table its object, if it leads to one and is no duplicate.  0 or
 * -ENOMEM. */
int rf_fdobject_add(struct rf_fdtable *table, struct rf_fd *entry, struct rf_arena *arena);

/*
 * Reads what all of them hold, once the table is complete; nothing of them changes.  What cannot travel
 * of one is added to the refusals; NULL: it is left out.  0 or a negative errno with a report.
 */
int rf_fdobject_look(struct rf_fdtable *table, struct rf_arena *arena, struct rf_refusals *refusals,
		     struct rf_report *report);

/* Reads again what may have changed since: just before the process is captured, when no signal
 * handler runs any more. */
void rf_fdobject_renew(struct rf_fdtable *table);

/* Appends their records.  No malloc, no errno. */
int rf_fdobject_write(const struct rf_fdtable *table, struct rf_image_writer *writer);

#endif
