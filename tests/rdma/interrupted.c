/* SPDX-License-Identifier: MIT */
/*
 * interrupted FILE: makes FILE, which goes on with this program, in a signal handler that has
 * interrupted code with values in its vector registers.  Exits 0; FILE exits 23 if they are there
 * after the handler has returned, and if functions that nobody had called before can be called.
 * FILE NEXT makes NEXT, likewise, before that.  For virtual machines with different CPUs.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rfork.h>

#include "tests/support/vectors.h"

#define RIGHT 23
#define WRONG 24

static const char *path;
static int result;

static void go(int signal)
{
	(void)signal;
	result = rfork_undump(path);
}

/* None of them is bound yet: the dynamic linker saves the vector registers, and must have room. */
static int call_others(void)
{
	struct tm moment = { .tm_year = 100, .tm_mday = 1 };
	char text[32];

	return timegm(&moment) == 946684800 && strtol("77", NULL, 8) == 63 && atof("0.5") == 0.5 &&
			       strftime(text, sizeof(text), "%Y", &moment) == 4
		       ? RIGHT
		       : WRONG;
}

/* The same again, from where it is now; 0 in what has been made. */
static int go_on(int argc, char **argv)
{
	if (rfork_restart_args(&argc, &argv, NULL) < 0)
		return -1;
	if (argc < 2)
		return 0;
	path = argv[1];
	return vectors_survive(SIGUSR1) ? result : -1;
}

int main(int argc, char **argv)
{
	path = argc > 1 ? argv[1] : "";
	vectors_begin();
	signal(SIGUSR1, go);
	if (!vectors_survive(SIGUSR1))
		return WRONG;
	if (result == 0)
		result = go_on(argc, argv);
	if (result == 0)
		return call_others();
	if (result < 0)
		fprintf(stderr, "%s\n", rfork_error());
	return result < 0;
}
