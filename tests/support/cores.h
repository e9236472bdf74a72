/* SPDX-License-Identifier: MIT */
/*
 * Programs whose cores are restarted: started with pipes, dumped by the kernel or by gcore, turned
 * into executables by undump, and started again.
 */
#ifndef TEST_SUPPORT_CORES_H
#define TEST_SUPPORT_CORES_H

#include "tests/support/checkpoint.h"
#include "tests/support/test.h"

enum core_origin { CORE_BY_KERNEL, CORE_BY_GDB };

struct core_program {
	pid_t pid;
	int input;  /* its standard input, write end */
	int output; /* its standard output, read end */
};

/* Skips the test where such cores cannot be had, and says why. */
void core_need(enum core_origin origin);

/* Starts a program, arguments[0], in the test's directory, and gives it that coredump_filter. */
struct core_program core_start(char *const arguments[], unsigned filter);

/* Starts an executable of ours; a core of it may be asked for at once, for the signal waits until
 * the program goes on. */
struct core_program core_restart(const char *executable, unsigned filter);

/* Reads its output until a line is `line`; fails the test at the end or the deadline. */
void core_expect_line(const struct core_program *program, const char *line);

/* Reads a line without its end into a static buffer; NULL at the end. */
const char *core_read_line(const struct core_program *program);

/* Writes its core to `path`; the program has ended then. */
void core_dump(struct core_program *program, enum core_origin origin, const char *path);

/* Writes `text` to a program that will end itself by that signal, and gets its core. */
void core_end(struct core_program *program, const char *text, int signal, const char *path);

/* Makes an executable of a core; the exit status of undump.  option: NULL = none. */
int core_undump(const char *core, const char *executable, const char *option);

/* Removes it, and its companion. */
void core_remove_executable(const char *executable);

/* What undump said last, on standard error. */
const char *core_undump_said(void);

/* Expects that the program ends with this status, and closes the pipes. */
void core_expect_exit(struct core_program *program, int status);

#endif
