/* SPDX-License-Identifier: MIT */
/*
 * Run: 04-map HOST...
 *
 * Lesson 4: a parallel map.  Each clone computes its share of a sum and writes the result to
 * its standard output, which the parent made a pipe for the moment of the fork.
 */
#define _GNU_SOURCE
#include <rfork.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TERMS 30000000ul

/* pi = 4 (1 - 1/3 + 1/5 - ...): the terms first, first + step, ... */
static double share_of_pi(unsigned long first, unsigned long step)
{
	double sum = 0;

	for (unsigned long n = first; n < TERMS; n += step)
		sum += (n % 2 ? -4.0 : 4.0) / (2.0 * (double)n + 1.0);
	return sum;
}

/* Starts clone k of n; returns where its result will be read. */
static int start(const char *host, int k, int n)
{
	struct rfork_options options = { .size = sizeof(options), .flags = RFORK_CLOSE_OTHERS };
	int before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	int ends[2];
	pid_t pid;

	if (before == -1 || pipe2(ends, O_CLOEXEC) == -1 || dup2(ends[1], STDOUT_FILENO) == -1)
		err(1, "pipe");
	close(ends[1]);
	pid = rfork_with(host, &options); /* descriptors above 2 are closed there */
	if (pid == -1)
		errx(1, "%s: %s", host, rfork_error());
	if (pid == 0) {
		double sum = share_of_pi((unsigned long)k, (unsigned long)n);

		_exit(write(STDOUT_FILENO, &sum, sizeof(sum)) == sizeof(sum) ? 0 : 1);
	}
	dup2(before, STDOUT_FILENO);
	close(before);
	return ends[0];
}

int main(int argc, char **argv)
{
	double pi = 0, part;
	int results[argc], status;

	if (argc < 2)
		errx(2, "usage: %s HOST...", argv[0]);
	for (int k = 0; k < argc - 1; k++)
		results[k] = start(argv[k + 1], k, argc - 1);
	for (int k = 0; k < argc - 1; k++, pi += part)
		if (read(results[k], &part, sizeof(part)) != sizeof(part))
			errx(1, "%s: its share of the sum is missing", argv[k + 1]);
	while (wait(&status) > 0)
		if (status != 0)
			errx(1, "a clone ended with status %d", status);
	printf("pi is about %.7f\n", pi);
	return 0;
}
