/* SPDX-License-Identifier: MIT */
/*
 * Run: 02-memory HOST
 *
 * Lesson 2: the child has the caller's memory, pointers included.  The caller builds a table
 * once; the child uses it where it woke up, and what it writes stays its own.
 */
#include <rfork.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* factor[n] = the smallest prime that divides n */
static unsigned *build_factors(unsigned highest)
{
	unsigned *factor = calloc((size_t)highest + 1, sizeof(*factor));

	for (size_t n = 2; factor && n <= highest; n++)
		for (size_t multiple = factor[n] ? highest + 1 : n; multiple <= highest;
		     multiple += n)
			if (!factor[multiple])
				factor[multiple] = (unsigned)n;
	return factor;
}

int main(int argc, char **argv)
{
	const unsigned highest = 4849845;
	unsigned *factor;
	int status;
	pid_t pid;

	if (argc != 2) {
		fprintf(stderr, "usage: %s HOST\n", argv[0]);
		return 2;
	}
	factor = build_factors(highest);
	if (!factor) {
		perror("calloc");
		return 1;
	}
	pid = rfork(argv[1]);
	if (pid == -1) {
		fprintf(stderr, "%s: %s\n", argv[1], rfork_error());
		return 1;
	}
	if (pid == 0) {
		dprintf(STDOUT_FILENO, "child:  %u =", highest);
		for (unsigned n = highest; n > 1; n /= factor[n])
			dprintf(STDOUT_FILENO, " %u", factor[n]);
		dprintf(STDOUT_FILENO, "\n");
		factor[2] = 0; /* in the child's copy */
		_exit(0);
	}
	if (waitpid(pid, &status, 0) == -1 || status != 0)
		return 1;
	printf("parent: factor[2] is still %u\n", factor[2]);
	return factor[2] == 2 ? 0 : 1;
}
