/* SPDX-License-Identifier: MIT */
/*
 * undump --core: the companion by which gdb shows a statefile or an executable.  Also called by
 * what writes executables.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tools/core_writer.h"
#include "tools/undump.h"

/* A core needs no other one. */
static int refuse_core(const char *file, struct rf_report *report)
{
	int kind = undump_recognise_file(file, report);

	if (kind == UNDUMP_CORE)
		return rf_report(report, EINVAL, "%s: it is a core already", file);
	if (kind == UNDUMP_STREAM)
		return rf_report(report, EINVAL,
				 "%s: gdb cannot read a stream: make an executable of it", file);
	return kind < 0 ? kind : 0;
}

static void tell_missing(void *core, const char *file)
{
	fprintf(stderr, "undump: %s: not the file that the process had, so %s lacks its memory\n",
		file, (const char *)core);
}

static int write_core(const char *file, char *core, struct rf_report *report)
{
	struct rf_source source;
	int error = undump_open(&source, file, report);

	if (error < 0)
		return error;
	error = undump_check_core_output(&source, core, report);
	if (error == 0)
		error = rf_core_write(&source, core, tell_missing, core, report);
	rf_source_close(&source);
	return error;
}

int undump_write_companion(const char *file, const char *core, struct rf_report *report)
{
	char *name;
	int error;

	if (asprintf(&name, "%s%s", core ? core : file, core ? "" : ".core") < 0)
		return rf_report(report, ENOMEM, "%s: %m", file);
	error = write_core(file, name, report);
	free(name);
	return error;
}

int undump_core(const struct undump_request *request, struct rf_report *report)
{
	int error = refuse_core(request->file, report);

	return error < 0 ? error : undump_write_companion(request->file, request->output, report);
}
