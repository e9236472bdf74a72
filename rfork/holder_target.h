/* SPDX-License-Identifier: MIT */
/*
 * Where a checkpoint is written: beside a named file, which it replaces when it is complete; into
 * one that has no name; or into a pipe or socket.  Called by the frozen holder: no malloc, no
 * errno.
 */
#ifndef RF_HOLDER_TARGET_H
#define RF_HOLDER_TARGET_H

#include <stdbool.h>

#include "rfork/image_format.h"
#include "rfork/report.h"

struct rf_target {
	int fd;		/* where the bytes go; -1 = not open */
	int directory;	/* of a named file; else -1 */
	bool is_stream; /* no file: PAGES, in one go */
	bool is_executable;
	char name[256]; /* in the directory */
	char temporary[256];
	char path[RF_IMAGE_MAX_PATH_BYTES + 1]; /* for sentences */
};

/* Takes `fd`, which is open for writing, and opens what stands behind it.  0 or a negative errno
 * with a report; then all is closed. */
int rf_target_open(struct rf_target *target, int fd, struct rf_report *report);

/* Takes `directory`, in which an executable is to have the name; otherwise the same. */
int rf_target_open_executable(struct rf_target *target, int directory, const char *name,
			      struct rf_report *report);

/* Removes temporary files of the same name whose writers were killed. */
void rf_target_remove_stale(const struct rf_target *target);

/* After the last byte: a named file is replaced, and that is made durable.  Closes all; 0 or a
 * negative errno with a report. */
int rf_target_complete(struct rf_target *target, struct rf_report *report);

/* Closes all, and removes what was written if it has a name of its own. */
void rf_target_abandon(struct rf_target *target);

#endif
