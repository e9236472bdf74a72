/* SPDX-License-Identifier: MIT */
/*
 * Run: 04-map HOST...
 *
 * Lesson 4: a parallel map.  Each clone computes its share of a sum and writes it into a pipe, which
 * leads home as if it had been made for a local child.
 */
#include <rfork.h>

#include <err.h>
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

/* Starts clone k of n; returns the end of the pipe at which its share will arrive. */
static int start(const char *host, unsigned long k, unsigned long n)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) == -1)
		err(1, "pipe");
	pid = rfork(host);
	if (pid == -1)
		errx(1, "%s: %s", host, rfork_error());
	if (pid == 0) {
		double sum = share_of_pi(k, n);

		_exit(write(ends[1], &sum, sizeof(sum)) == sizeof(sum) ? 0 : 1);
	}
	close(ends[1]);
	return ends[0];
}

int main(int argc, char **argv)
{
	int n = argc - 1, status;
	int results[argc];
	double pi = 0, share;

	if (n < 1)
		errx(2, "usage: %s HOST...", argv[0]);
	for (int k = 0; k < n; k++)
		results[k] = start(argv[k + 1], (unsigned long)k, (unsigned long)n);
	for (int k = 0; k < n; k++, pi += share)
		if (read(results[k], &share, sizeof(share)) != sizeof(share))
			errx(1, "%s: its share of the sum is missing", argv[k + 1]);
	while (wait(&status) > 0)
		if (status != 0)
			errx(1, "a clone ended with status %d", status);
	printf("pi is about %.7f\n", pi);
	return 0;
}
