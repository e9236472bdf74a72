/* SPDX-License-Identifier: MIT */
/*
 * What the parts of undump share.  undump.c parses the command line into a request and calls one
 * mode; each mode opens its input by undump_open() and reads nothing but the rf_source.
 */
#ifndef TOOLS_UNDUMP_H
#define TOOLS_UNDUMP_H

#include <stdbool.h>
#include <sys/types.h>

#include "rfork/report.h"
#include "rfork/source.h"

/* The command line. */
struct undump_request {
	int mode;	   /* key of the option that chose what to do; 0 = to write an executable */
	const char *file;  /* NULL = none given */
	pid_t pid;	   /* -p: a running process instead of a file; 0 = none given */
	bool close_others; /* of a process: what cannot be carried is left out */
	const char *output; /* -o; NULL = none given */
	bool is_thin;	    /* an executable maps files of the machine where they are the same */
	bool is_copied;	    /* an executable reads all memory at its start */
	bool is_alone;	    /* an executable gets no companion for gdb */
	/* what an executable does about files that the process had open */
	enum undump_files {
		UNDUMP_FILES_SAME,   /* opens them if they are provably the same */
		UNDUMP_FILES_REOPEN, /* opens what has their paths */
		UNDUMP_FILES_APPEND, /* the same, and writes go to the end */
	} files;
	char **substitutes; /* OLD=NEW: another path for them */
	size_t substitute_count;
	const char *host;	   /* --to */
	const char *key_file;	   /* --key-file; NULL = the usual one */
	bool is_plaintext_allowed; /* --insecure-plaintext */
	bool json;		   /* for programs */
};

/* What one invocation does. */
struct undump_mode {
	int key;
	/* 0, or a negative errno with a report that names the file; writes its result to standard
	 * output. */
	int (*run)(const struct undump_request *request, struct rf_report *report);
};

/* What a file is, as far as its ELF header says. */
enum undump_kind {
	UNDUMP_STATEFILE, /* or anything else of ET_NONE: its reader says what is wrong */
	UNDUMP_EXECUTABLE,
	UNDUMP_CORE,
	UNDUMP_STREAM, /* also standard input, "-", of which nothing has been read */
};

/*
 * Looks at the beginning of a file.  The kind, or -ENOEXEC with a report that begins with its path:
 * it is no ELF file, or of another class, byte order or machine; -EINVAL: it is no regular file; or
 * a negative errno of open(2) or read(2).
 */
int undump_recognise_file(const char *path, struct rf_report *report);

/*
 * Opens whatever undump takes as input: a statefile or an executable with their parents, or a core
 * file.  0, or a negative errno with a report that begins with the path at fault; the source is
 * then closed.
 */
int undump_open(struct rf_source *source, const char *path, struct rf_report *report);

/*
 * Whether a new file may take the place of what has its path: that is a regular file, or nothing.
 * 0, or -EISDIR or -EINVAL with a report.
 */
int undump_check_output(const char *path, struct rf_report *report);

/* The same for a core, which must not replace what the source is read from either. */
int undump_check_core_output(const struct rf_source *source, const char *path,
			     struct rf_report *report);

/* --assume-unchanged: from now on, what cores lack is also taken from files that cannot prove what
 * they are. */
void undump_assume_unchanged(void);

/* -- modes ---------------------------------------------------------------------------------- */

/* --check: says that a file is whole, or the first fault and its offset (check.c). */
int undump_check(const struct undump_request *request, struct rf_report *report);

/* --bt: prints the backtrace of every thread (backtrace.c). */
int undump_backtrace(const struct undump_request *request, struct rf_report *report);
/* --info: prints what is in a file (info.c). */
int undump_info(const struct undump_request *request, struct rf_report *report);

/* --core: writes the companion of a statefile or an executable (core.c). */
int undump_core(const struct undump_request *request, struct rf_report *report);

/* --to: restarts it on a node; this process then ends as that one does, so that it returns only a
 * negative errno (send.c). */
int undump_send(const struct undump_request *request, struct rf_report *report);

/* -- for modes ------------------------------------------------------------------------------ */

/*
 * Writes the companion of a statefile or an executable to `core`, or, where that is NULL, to its
 * name with ".core" appended; tells on standard error which mapped files are no longer the same.
 * 0, or a negative errno with a report.
 */
int undump_write_companion(const char *file, const char *core, struct rf_report *report);

/* Writes an executable that goes on where the process stood: the mode without an option of its
 * own. */
int undump_write_executable(const struct undump_request *request, struct rf_report *report);

/* Applies what the command line says of open files to the source's descriptors (write_files.c). */
int undump_settle_files(struct rf_source *source, const struct undump_request *request,
			struct rf_report *report);

#endif
