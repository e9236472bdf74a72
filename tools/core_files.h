/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of which files a process at rest consists of, as a debugger finds them by name.
 */
#ifndef TOOLS_CORE_FILES_H
#define TOOLS_CORE_FILES_H

#include "tools/core_notes.h"
#include "tools/core_writer.h"

struct rf_core_files {
	struct rf_core_file *entries; /* ascending */
	size_t count, capacity;
	char **names; /* of the files of the source, as its fds; NULL = not looked for */
	size_t name_count;
	uint64_t bytes;		 /* of NT_FILE that the entries will take */
	rf_core_missing missing; /* called with `context` */
	void *context;
	const char *last_missing;
};

/*
 * Collects them: segments by the names of the files that they lie in, the rest of FILE mappings by
 * the names of those, if they provably are the same.  0 or a negative errno with a report.
 */
int rf_core_files_collect(struct rf_core_files *files, struct rf_source *source,
			  rf_core_missing missing, void *context, struct rf_report *report);
void rf_core_files_release(struct rf_core_files *files);

#endif
