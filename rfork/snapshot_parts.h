/* SPDX-License-Identifier: MIT */
/*
 * Between snapshot.c and the files that make its tables.
 */
#ifndef RF_SNAPSHOT_PARTS_H
#define RF_SNAPSHOT_PARTS_H

#include "rfork/snapshot.h"

/* -- snapshot_files.c ------------------------------------------------------------------------- */

/* Makes room for so many files; false if there is none. */
bool rf_snapshot_make_file_table(struct rf_snapshot *snapshot, size_t capacity);

/* The index of a file, which is added if it is new; RF_IMAGE_NONE when there is no room.  The path
 * must stay. */
uint32_t rf_snapshot_intern_file(struct rf_snapshot *snapshot, const struct rf_image_file *identity,
				 const char *path);

/* Adds the files of descriptors and of contents, and tells those their indices; 0 or a negative errno
 * with a report. */
int rf_snapshot_name_files(struct rf_snapshot *snapshot, struct rf_fdtable *fds,
			   struct rf_report *report);

/* -- snapshot_mappings.c ---------------------------------------------------------------------- */

/* Makes the tables of mappings and mapped files, or takes those of a survey; 0 or a negative errno
 * with a report. */
int rf_snapshot_collect_mappings(struct rf_snapshot *snapshot,
				 const struct rf_snapshot_request *request,
				 struct rf_report *report);

#endif
