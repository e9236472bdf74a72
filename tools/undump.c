/* SPDX-License-Identifier: MIT */
/*
 * undump: shows, checks and turns into executables the processes that rest in files.  main() reads the
 * command line and calls one mode; what a mode does is in its own file.
 */
#define _GNU_SOURCE
#include "tools/undump.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rfork.h"

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)
#define EXIT_USAGE 2

const char *argp_program_version = "undump " STRING(RFORK_VERSION_MAJOR) "." STRING(
	RFORK_VERSION_MINOR) "." STRING(RFORK_VERSION_PATCH);

/* Options that have no letter. */
enum {
	OPTION_FIRST = 256,
	OPTION_CHECK,
	OPTION_BACKTRACE,
	OPTION_CORE,
	OPTION_ASSUME_UNCHANGED,
};

/* Options that choose a mode stand in `modes` too. */
static const struct argp_option options[] = {
	{ .name = "check",
	  .key = OPTION_CHECK,
	  .doc = "Read all of FILE, and say that it is whole, or where it is not" },
	{ .name = "bt", .key = OPTION_BACKTRACE, .doc = "Print the backtrace of every thread" },
	{ .name = "core",
	  .key = OPTION_CORE,
	  .doc = "Write a small core beside it, by which gdb shows it (FILE.core)" },
	{ .name = "output", .key = 'o', .arg = "OUT", .doc = "Write OUT" },
	{ .name = "assume-unchanged",
	  .key = OPTION_ASSUME_UNCHANGED,
	  .doc = "Take what a core lacks also from files that cannot prove to be the same" },
	{ 0 },
};

static const struct undump_mode modes[] = {
	{ OPTION_CHECK, undump_check },
	{ OPTION_BACKTRACE, undump_backtrace },
	{ OPTION_CORE, undump_core },
	{ 0 },
};

/* NULL if there is no such mode. */
static const struct undump_mode *find_mode(int key)
{
	const struct undump_mode *mode = modes;

	while (mode->run && mode->key != key)
		mode++;
	return mode->run ? mode : NULL;
}

static void take_mode(struct undump_request *request, int key, struct argp_state *state)
{
	if (request->mode && request->mode != key)
		argp_error(state, "only one thing can be done at a time");
	request->mode = key;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct undump_request *request = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (request->file)
			argp_error(state, "there is no use for the argument %s", argument);
		request->file = argument;
		return 0;
	case 'o':
		request->output = argument;
		return 0;
	case OPTION_ASSUME_UNCHANGED:
		undump_assume_unchanged();
		return 0;
	case ARGP_KEY_END:
		if (!find_mode(request->mode))
			argp_error(state, "it is not said what to do");
		if (!request->file)
			argp_error(state, "no file is given");
		return 0;
	}
	if (!find_mode(key))
		return ARGP_ERR_UNKNOWN;
	take_mode(request, key, state);
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "FILE",
	.doc = "Shows and checks processes at rest: statefiles of rfork_commit(), executables of "
	       "rfork_undump().",
};

/* Output that could not be written is a failure, too. */
static int finish_output(struct rf_report *report)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	return rf_report(report, errno ? errno : EIO, "standard output: %m");
}

int main(int argc, char **argv)
{
	struct undump_request request = { 0 };
	struct rf_report report = { 0 };
	int error;

	argp_err_exit_status = EXIT_USAGE;
	error = argp_parse(&argp, argc, argv, 0, NULL, &request);
	if (error)
		return EXIT_USAGE;
	error = find_mode(request.mode)->run(&request, &report);
	if (error == 0)
		error = finish_output(&report);
	if (error == 0)
		return EXIT_SUCCESS;
	rf_report_sanitize(&report);
	fprintf(stderr, "undump: %s\n", report.sentence);
	return EXIT_FAILURE;
}
