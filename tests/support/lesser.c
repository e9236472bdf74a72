/* SPDX-License-Identifier: MIT */
/*
 * lesser HOST [HOST]: a program that forks to one host after the other, each the child of the one
 * before.  Exits 23 if the last was reached; 24 if one could not be, with the sentence on standard
 * error.
 */
#define _GNU_SOURCE
#include <rfork.h>

#include <stdio.h>
#include <sys/wait.h>

#define REACHED 23
#define REFUSED 24

int main(int argc, char **argv)
{
	int status;

	for (int i = 1; i < argc; i++) {
		pid_t pid = rfork(argv[i]);

		if (pid < 0) {
			fprintf(stderr, "%s\n", rfork_error());
			return REFUSED;
		}
		if (pid > 0)
			return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
				       ? WEXITSTATUS(status)
				       : 1;
	}
	return REACHED;
}
