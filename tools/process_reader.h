/* SPDX-License-Identifier: MIT */
/*
 * A running process as a source: stopped while it is read, and then let go on as if nothing had
 * been.
 */
#ifndef TOOLS_PROCESS_READER_H
#define TOOLS_PROCESS_READER_H

#include <stdbool.h>
#include <sys/types.h>

#include "rfork/report.h"
#include "rfork/source.h"

#define RF_PROCESS_STOP_MS 5000

struct rf_process_options {
	bool close_others; /* what cannot be carried is left out, and listed, instead of refused */
	int stop_timeout_ms; /* how long a thread may take to stop; 0 = RF_PROCESS_STOP_MS */
};

/*
 * Stops the process and fills the source from it; options may be NULL.  It stays stopped, and its
 * pages are read where they lie, until rf_source_let_go() or rf_source_close(), which the same
 * thread is to call.  Who dies before lets it go as well.
 *
 * 0, or a negative errno with a report, and the process is unharmed: -EPERM with what to do about
 * it; -ESRCH; -EINVAL for what is no process of its own (this one, the first one, a thread, of the
 * kernel, a zombie); -ENOTSUP for what cannot be carried, by name; -ENOEXEC for another
 * architecture; -ETIMEDOUT with the thread that does not stop.
 */
int rf_process_open(struct rf_source *source, pid_t pid, const struct rf_process_options *options,
		    struct rf_report *report);

#endif
