/* SPDX-License-Identifier: MIT */
/*
 * Runs undump(1) and what it has made, as a user does.
 */
#ifndef TEST_SUPPORT_UNDUMP_H
#define TEST_SUPPORT_UNDUMP_H

#include "tests/support/test.h"

struct undump_result {
	int status;	  /* exit status; -1 = ended by a signal */
	char text[65536]; /* what it wrote to standard output and error */
};

/* Runs a program with its arguments, the last one NULL, and standard input from /dev/null, to its
 * end. */
void undump_run(struct undump_result *result, const char *program, ...);

/* undump -p PID -o PATH with the options that follow, the last one NULL; fails the test unless it
 * succeeds. */
void undump_process(pid_t pid, const char *path, const char *option);

/*
 * Makes a thin executable of a process of its own, which runs `live`: that builds a state, stops itself
 * (SIGSTOP, as undump_point() does), and, in what is restarted, exits by what it sees.
 */
void undump_live(void (*live)(void), const char *path);

/* Stops, to be taken, and returns in restarted processes only. */
void undump_point(void);

/* Removes an executable and its companion. */
void undump_remove(const char *path);

#endif
