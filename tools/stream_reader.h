/* SPDX-License-Identifier: MIT */
/*
 * Streams as input: what rfork_commit() writes to a pipe or a socket, as it comes.
 */
#ifndef TOOLS_STREAM_READER_H
#define TOOLS_STREAM_READER_H

#include <stdbool.h>

#include "rfork/report.h"
#include "rfork/source.h"

/* Whether a file that can be read anywhere begins as a stream does. */
bool rf_stream_is_one(int fd);

/*
 * Reads a whole stream from where fd stands to its END, whatever fd is, and compares all digests;
 * the pages go into memory of the source's own.  path: for sentences.  0 or a negative errno with a
 * report that begins with it, as rf_reader_layout().
 */
int rf_stream_open(struct rf_source *source, int fd, const char *path, uint64_t min_address,
		   uint64_t max_address, struct rf_report *report);

#endif
