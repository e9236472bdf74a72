/* SPDX-License-Identifier: MIT */
/*
 * Run: 15-openmp HOST...
 *
 * Lesson 15: OpenMP here and there.  A child has only the thread that called rfork(), as after
 * fork(): of the team that worked here nobody is there.  A program that has used more than one
 * thread before it forks must not begin a parallel region in the child, for the runtime would wait
 * for threads that it thinks it has.  So either all of it is done before the first region, as here,
 * or the child gives the team up before the fork: omp_pause_resource_all(), as here for the second
 * round.
 */
#include <rfork.h>

#include <err.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS 20000000l

/* A part of pi, by as many threads as there are. */
static double integrate(long part, long parts, int *threads)
{
	double sum = 0;

#pragma omp parallel
	{
#pragma omp single
		*threads = omp_get_num_threads();
#pragma omp for reduction(+ : sum)
		for (long i = part; i < STEPS; i += parts) {
			double x = ((double)i + 0.5) / STEPS;

			sum += 4 / (1 + x * x);
		}
	}
	return sum / STEPS;
}

struct answer {
	double sum;
	int threads;
};

/* A child that integrates a part of it; a descriptor from which its answer can be read. */
static int begin(const char *host, long part, long parts)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		err(1, "pipe");
	pid = rfork(host);
	if (pid < 0)
		errx(1, "%s", rfork_error());
	if (pid == 0) {
		struct answer answer;

		answer.sum = integrate(part, parts, &answer.threads);
		_exit(write(ends[1], &answer, sizeof(answer)) != sizeof(answer));
	}
	close(ends[1]);
	return ends[0];
}

static void add(struct answer *all, int fd)
{
	struct answer answer;
	int status;

	if (read(fd, &answer, sizeof(answer)) != sizeof(answer))
		errx(1, "a child has not answered");
	close(fd);
	if (wait(&status) < 0 || status != 0)
		errx(1, "a child has failed");
	all->sum += answer.sum;
	all->threads += answer.threads;
}

static void run(const char *when, char **hosts, int count)
{
	struct answer all = { 0 };
	int *fds = calloc((size_t)count, sizeof(*fds)), here;
	long parts = count + 1;

	if (!fds)
		err(1, "memory");
	for (int i = 0; i < count; i++)
		fds[i] = begin(hosts[i], i, parts);
	all.sum = integrate(count, parts, &here);
	for (int i = 0; i < count; i++)
		add(&all, fds[i]);
	free(fds);
	printf("%s: pi is about %.9f, by %d threads here and %d there\n", when, all.sum, here,
	       all.threads);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s HOST...\n", argv[0]);
		return 2;
	}
	run("first", argv + 1, argc - 1);
	if (omp_pause_resource_all(omp_pause_soft) != 0)
		errx(1, "the team cannot be given up: do not fork again");
	run("again", argv + 1, argc - 1);
	return 0;
}
