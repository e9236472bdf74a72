/* SPDX-License-Identifier: MIT */
/*
 * Reads statefiles and executables, with their parents.  Hostile bytes: what it has let through
 * is consistent and within its limits; digests of page data are checked only on demand.
 */
#ifndef RF_STATEFILE_READER_H
#define RF_STATEFILE_READER_H

#include "rfork/report.h"
#include "rfork/source.h"

/*
 * min_address, max_address: what can be mapped here.  0 or a negative errno with a report that
 * begins with the path at fault: as rf_statefile_find_note(), as rf_reader_layout() with the
 * offset of the record, and -ENOENT, -ESTALE for a parent that is missing or another.
 */
int rf_statefile_open(struct rf_source *source, const char *path, uint64_t min_address,
		      uint64_t max_address, struct rf_report *report);

/*
 * The same for a file that is open, and stays the caller's; of an image in the middle of whose
 * chain it stands, `path` names the folder of its parent.
 */
int rf_statefile_open_fd(struct rf_source *source, int fd, const char *path, uint64_t min_address,
			 uint64_t max_address, struct rf_report *report);

/*
 * Reads all page data of the source, parents too, and compares their digests.  0, -EBADMSG
 * with a report that names the file and the offset of the first chunk that differs, or a
 * negative errno of read(2).
 */
int rf_statefile_check(const struct rf_source *source, struct rf_report *report);

#endif
