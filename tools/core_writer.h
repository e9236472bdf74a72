/* SPDX-License-Identifier: MIT */
/*
 * Writes the companion of a statefile or an executable: an ET_CORE file of a few KB with which a
 * debugger opens it as a core.  It has the registers; memory it only names, as pages of the
 * statefile, of its parents and of the mapped files.
 */
#ifndef TOOLS_CORE_WRITER_H
#define TOOLS_CORE_WRITER_H

#include "rfork/report.h"
#include "rfork/source.h"

/*
 * Called with each mapped file that is no longer the one that the process had: its memory is not in
 * the core.
 */
typedef void (*rf_core_missing)(void *context, const char *file);

/*
 * Writes the companion of a source to `path`, by way of a temporary file beside it that is renamed
 * over it; mode 0600.  missing may be NULL.  The files that the source's segments lie in must have
 * names, by which the debugger will open them: when they move, the companion must be made again.
 * 0, or a negative errno with a report that begins with the path at fault: of open(2), write(2),
 * fsync(2), rename(2), or -ENOENT for a file of the source that has no name any more, -ENOMEM.
 */
int rf_core_write(struct rf_source *source, const char *path, rf_core_missing missing,
		  void *context, struct rf_report *report);

#endif
