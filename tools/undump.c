/* SPDX-License-Identifier: MIT */
/*
 * undump: shows, checks and turns into executables the processes that rest in files.  main() reads
 * the command line and calls one mode; what a mode does is in its own file.
 */
#define _GNU_SOURCE
#include "tools/undump.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	OPTION_INFO,
	OPTION_JSON,
	OPTION_CORE,
	OPTION_ASSUME_UNCHANGED,
	OPTION_CLOSE_OTHERS,
	OPTION_COPY,
	OPTION_NO_CORE,
	OPTION_FILES,
	OPTION_SELF_CONTAINED,
	OPTION_SUBSTITUTE,
	OPTION_THIN,
	OPTION_TO,
	OPTION_KEY_FILE,
	OPTION_PLAINTEXT,
};

#define MODE_WRITE 0 /* what is done when no option says otherwise */

/* Groups of options, in the order of the help; argp puts its own, -1, at the end. */
enum {
	GROUP_MODE = 1, /* what is done: these stand in `modes` too */
	GROUP_INPUT,
	GROUP_EXECUTABLE,
	GROUP_NODE,
	GROUPS,
};

static const struct argp_option options[] = {
	{ .doc = "What to do:", .group = GROUP_MODE },
	{ .name = "output",
	  .key = 'o',
	  .arg = "APP",
	  .doc = "Write APP, an executable that goes on where FILE or PID stands" },
	{ .name = "info", .key = OPTION_INFO, .doc = "Show what is in FILE" },
	{ .name = "json", .key = OPTION_JSON, .doc = "With --info: for programs" },
	{ .name = "check",
	  .key = OPTION_CHECK,
	  .doc = "Read all of FILE, and say that it is whole, or where it is not" },
	{ .name = "bt", .key = OPTION_BACKTRACE, .doc = "Print the backtrace of every thread" },
	{ .name = "core",
	  .key = OPTION_CORE,
	  .doc = "Write a small core by which gdb shows FILE: FILE.core, or what -o names" },
	{ .name = "to",
	  .key = OPTION_TO,
	  .arg = "HOST",
	  .doc = "Restart it on a node, and stand for it here" },
	{ .doc = "What to read:", .group = GROUP_INPUT },
	{ .name = "pid",
	  .key = 'p',
	  .arg = "PID",
	  .doc = "Instead of FILE, a running process: it stops while its memory is read" },
	{ .name = "close-others",
	  .key = OPTION_CLOSE_OTHERS,
	  .doc = "Leave out descriptors of PID that cannot be carried, and list them, rather than "
		 "refuse" },
	{ .name = "assume-unchanged",
	  .key = OPTION_ASSUME_UNCHANGED,
	  .doc = "Take what a core lacks also from files that cannot prove to be the same" },
	{ .doc = "How an executable is to be:", .group = GROUP_EXECUTABLE },
	{ .name = "self-contained",
	  .key = OPTION_SELF_CONTAINED,
	  .doc = "It holds all mapped files (default)" },
	{ .name = "thin",
	  .key = OPTION_THIN,
	  .doc = "It maps files of its machine, and starts only where they are the same" },
	{ .name = "copy",
	  .key = OPTION_COPY,
	  .doc = "It reads all memory at its start, rather than map it" },
	{ .name = "no-core",
	  .key = OPTION_NO_CORE,
	  .doc = "Write no core for gdb beside it (APP.core)" },
	{ .name = "files",
	  .key = OPTION_FILES,
	  .arg = "HOW",
	  .doc = "What it does with files that were open: refuse those that are not provably the "
		 "same (default), reopen what has their paths, or append to that" },
	{ .name = "substitute",
	  .key = OPTION_SUBSTITUTE,
	  .arg = "OLD=NEW",
	  .doc = "It opens the file NEW where OLD was open" },
	{ .doc = "With --to:", .group = GROUP_NODE },
	{ .name = "key-file",
	  .key = OPTION_KEY_FILE,
	  .arg = "KEY",
	  .doc = "The key shared with the node" },
	{ .name = "insecure-plaintext",
	  .key = OPTION_PLAINTEXT,
	  .doc = "Connect beyond loopback without encryption" },
	{ 0 },
};

static const struct undump_mode modes[] = {
	{ OPTION_CHECK, undump_check },
	{ OPTION_BACKTRACE, undump_backtrace },
	{ OPTION_INFO, undump_info },
	{ OPTION_CORE, undump_core },
	{ MODE_WRITE, undump_write_executable },
	{ OPTION_TO, undump_send },
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
		argp_error(state, "one thing at a time: --info, --check, --bt, --core or --to");
	request->mode = key;
}

static enum undump_files parse_files(const char *argument, struct argp_state *state)
{
	static const char *const names[] = { [UNDUMP_FILES_SAME] = "refuse",
					     [UNDUMP_FILES_REOPEN] = "reopen",
					     [UNDUMP_FILES_APPEND] = "append" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(argument, names[i]) == 0)
			return (enum undump_files)i;
	argp_error(state, "--files=%s: HOW is refuse, reopen or append", argument);
	return UNDUMP_FILES_SAME;
}

static pid_t parse_pid(const char *argument, struct argp_state *state)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(argument, &end, 10);
	if (errno || end == argument || *end || pid <= 0 || pid > INT32_MAX)
		argp_error(state, "-p %s is no process id", argument);
	return (pid_t)pid;
}

/* The command line as it is read. */
struct command {
	struct undump_request request;
	const char *given[GROUPS]; /* of each group of options, the last one that was there */
};

/* Options that what is done has no use for. */
static void check_options(const struct command *command, struct argp_state *state)
{
	const struct undump_request *request = &command->request;

	if (command->given[GROUP_EXECUTABLE] && request->mode != MODE_WRITE)
		argp_error(state, "--%s is of use only for an executable: with -o APP alone",
			   command->given[GROUP_EXECUTABLE]);
	if (command->given[GROUP_NODE] && request->mode != OPTION_TO)
		argp_error(state, "--%s goes with --to", command->given[GROUP_NODE]);
	if (request->json && request->mode != OPTION_INFO)
		argp_error(state, "--json goes with --info");
	if (request->output && request->mode != MODE_WRITE && request->mode != OPTION_CORE)
		argp_error(state, "-o %s: nothing is written there", request->output);
	if (request->close_others && !request->pid)
		argp_error(state, "--close-others goes with -p PID");
}

/* Exactly one thing to read, and what is to be done with it. */
static void check_command(const struct command *command, struct argp_state *state)
{
	const struct undump_request *request = &command->request;

	check_options(command, state);
	if (request->pid && request->mode != MODE_WRITE)
		argp_error(state,
			   "of a running process only an executable can be made: -p PID -o APP");
	if (request->file && request->pid)
		argp_error(state, "it is either -p %d or %s", (int)request->pid, request->file);
	if (!request->file && !request->pid)
		argp_error(state, "there is nothing to read: name a FILE, or a process by -p PID");
	if (request->mode == MODE_WRITE && !request->output)
		argp_error(state, "say what to do: -o APP writes an executable, --info shows what "
				  "is in a file");
}

/* The option of a key; NULL if it is not one of ours. */
static const struct argp_option *find_option(int key, int *group)
{
	for (const struct argp_option *option = options; option->name || option->doc; option++) {
		if (option->group)
			*group = option->group;
		if (option->name && option->key == key)
			return option;
	}
	return NULL;
}

static void note_given(struct command *command, int key)
{
	int group = 0;
	const struct argp_option *option = find_option(key, &group);

	if (option)
		command->given[group] = option->name;
}

static void add_substitute(struct undump_request *request, char *argument, struct argp_state *state)
{
	size_t count = request->substitute_count + 1;
	char **grown = reallocarray(request->substitutes, count, sizeof(*grown));

	if (!grown)
		argp_failure(state, EXIT_FAILURE, ENOMEM, "--substitute");
	if (argument[0] != '/' || !strstr(argument, "=/"))
		argp_error(state, "--substitute=%s: it is OLD=NEW, two absolute paths", argument);
	request->substitutes = grown;
	request->substitutes[count - 1] = argument;
	request->substitute_count = count;
}

/* How an executable is to be; false if the option says nothing of that. */
static bool parse_executable(struct undump_request *request, int key, char *argument,
			     struct argp_state *state)
{
	switch (key) {
	case OPTION_SELF_CONTAINED:
	case OPTION_THIN:
		request->is_thin = key == OPTION_THIN;
		return true;
	case OPTION_COPY:
		request->is_copied = true;
		return true;
	case OPTION_NO_CORE:
		request->is_alone = true;
		return true;
	case OPTION_FILES:
		request->files = parse_files(argument, state);
		return true;
	case OPTION_SUBSTITUTE:
		add_substitute(request, argument, state);
		return true;
	}
	return false;
}

/* What is read, and with what; false if the option says nothing of that. */
static bool parse_input(struct undump_request *request, int key, char *argument,
			struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_ARG:
		if (request->file)
			argp_error(state, "one file at a time: %s, or %s?", request->file,
				   argument);
		request->file = argument;
		return true;
	case 'p':
		request->pid = parse_pid(argument, state);
		return true;
	case OPTION_CLOSE_OTHERS:
		request->close_others = true;
		return true;
	case OPTION_ASSUME_UNCHANGED:
		undump_assume_unchanged();
		return true;
	case OPTION_KEY_FILE:
		request->key_file = argument;
		return true;
	case OPTION_PLAINTEXT:
		request->is_plaintext_allowed = true;
		return true;
	}
	return false;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct command *command = state->input;
	struct undump_request *request = &command->request;

	note_given(command, key);
	if (parse_input(request, key, argument, state) ||
	    parse_executable(request, key, argument, state))
		return 0;
	switch (key) {
	case ARGP_KEY_END:
		check_command(command, state);
		return 0;
	case 'o':
		request->output = argument;
		return 0;
	case OPTION_JSON:
		request->json = true;
		return 0;
	case OPTION_TO:
		request->host = argument;
		break;
	}
	if (!find_mode(key))
		return ARGP_ERR_UNKNOWN;
	take_mode(request, key, state);
	return 0;
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "-o APP FILE\n-o APP -p PID\n--info|--check|--bt|--core FILE\n--to HOST FILE",
	.doc = "Shows, checks and restarts processes at rest: FILE is a statefile of rfork_commit(), "
	       "an executable of rfork_undump() or undump, a core, or a stream of rfork_commit() to "
	       "a pipe, of which - is the one on standard input.\v"
	       "Exit status: 0, 1 if it failed, 2 if the command line is wrong.  man 1 undump says more.",
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
	struct command command = { 0 };
	const struct undump_request *request = &command.request;
	struct rf_report report = { 0 };
	int error;

	argp_err_exit_status = EXIT_USAGE;
	signal(SIGXFSZ, SIG_IGN); /* a limit of files is an error like a full disk */
	error = argp_parse(&argp, argc, argv, 0, NULL, &command);
	if (error)
		return EXIT_USAGE;
	error = find_mode(request->mode)->run(request, &report);
	free(command.request.substitutes);
	if (error == 0)
		error = finish_output(&report);
	if (error == 0)
		return EXIT_SUCCESS;
	rf_report_sanitize(&report);
	fprintf(stderr, "undump: %s\n", report.sentence);
	return EXIT_FAILURE;
}
