/* SPDX-License-Identifier: MIT */
/*
 * Reads core files of x86_64: those that the kernel writes, and those of gdb's gcore.  Hostile
 * bytes: what it lets through is consistent and within the limits of an image.  What a core does
 * not hold is found in the process's own memory, where that proves it, or completed from files that
 * provably are the same; the rest is lost, and listed by rf_source_lose().
 */
#ifndef TOOLS_CORE_READER_H
#define TOOLS_CORE_READER_H

#include <stdbool.h>

#include "rfork/report.h"
#include "rfork/source.h"

struct rf_core_options {
	/* Take what the core lacks also from files that cannot prove that they are the same, unless
	 * they have been changed since the core was written. */
	bool assumes_unchanged;
};

/*
 * Opens a core.  options: NULL = all default.  0; -ENOEXEC if it is no core of x86_64, -EBADMSG if
 * it is a broken one (the report names the fault and where in the file it is), -ENOTSUP if memory
 * is missing (the report names it) or something in it cannot be restarted, or another negative
 * errno; each with a report that begins with `path`.  The source is closed then.
 */
int rf_core_open(struct rf_source *source, const char *path, const struct rf_core_options *options,
		 struct rf_report *report);

#endif
