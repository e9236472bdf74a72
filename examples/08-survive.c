/* SPDX-License-Identifier: MIT */
/*
 * Run: 08-survive [-k] [-i SECONDS] [-n LIMIT] FILE
 *
 * Lesson 8: a long computation that survives its own death.  Every second it takes a checkpoint,
 * which lasts as long as a fork, and goes on computing while that is written to FILE.  Kill it by
 * kill -9, or pull the plug; then
 *
 *     undump FILE -o again && ./again
 *
 * goes on from the last second.  -k does the killing itself, after the third checkpoint.
 *
 * The job: which number below LIMIT takes the most steps to reach 1 when even ones are halved and
 * odd ones tripled and incremented (Collatz)?
 */
#include <rfork.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TO_KILL 3

struct job {
	unsigned long limit, next; /* numbers below next are done */
	unsigned long best;
	int steps; /* of the best */
};

struct saving {
	const char *path;
	double every_s, last_s;
	bool is_suicidal;
	int count;
	rfork_crid_t under_way; /* being written; 0 = none */
};

static int count_steps(unsigned long number)
{
	int steps = 0;

	for (; number != 1; steps++)
		number = number % 2 ? 3 * number + 1 : number / 2;
	return steps;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Waits until the last checkpoint is on the disk, and drops it from memory. */
static void finish_saving(struct saving *saving)
{
	if (saving->under_way && rfork_discard(saving->under_way) == -1)
		errx(1, "%s: %s", saving->path, rfork_error());
	saving->under_way = 0;
}

/* FILE is replaced only when the new checkpoint is whole: a crash at any time leaves one of the
 * two. */
static void begin_to_write(struct saving *saving, rfork_crid_t crid)
{
	int fd = open(saving->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1)
		err(1, "%s", saving->path);
	if (rfork_commit(crid, fd) == -1)
		errx(1, "%s: %s", saving->path, rfork_error());
	close(fd);
	saving->under_way = crid;
	if (++saving->count == TO_KILL && saving->is_suicidal) {
		finish_saving(saving);
		fflush(stdout);
		raise(SIGKILL);
	}
}

static void save(struct saving *saving, const struct job *job)
{
	rfork_crid_t crid;

	finish_saving(saving);
	fflush(stdout); /* or a restart would print it once more */
	/* What a terminal or an editor has left open in us need not be there again. */
	crid = rfork_checkpoint(RFORK_CLOSE_OTHERS);
	if (crid == -1)
		errx(1, "%s", rfork_error());
	if (crid > 0) {
		begin_to_write(saving, crid);
	} else {
		/* We are the one that was restarted: its checkpoints are not ours. */
		printf("process %d goes on at %lu\n", (int)getpid(), job->next);
		saving->is_suicidal = false;
	}
	saving->last_s = now_s();
}

static void work(struct job *job, struct saving *saving)
{
	for (; job->next < job->limit; job->next++) {
		int steps = count_steps(job->next);

		if (steps > job->steps) {
			job->best = job->next;
			job->steps = steps;
		}
		if (job->next % 1024 == 0 && now_s() - saving->last_s >= saving->every_s)
			save(saving, job);
	}
	finish_saving(saving);
}

static int usage(const char *program)
{
	fprintf(stderr, "usage: %s [-k] [-i SECONDS] [-n LIMIT] FILE\n", program);
	return 2;
}

int main(int argc, char **argv)
{
	struct job job = { .limit = 20000000, .next = 1 };
	struct saving saving = { .every_s = 1 };
	int option;

	while ((option = getopt(argc, argv, "ki:n:")) != -1) {
		if (option == 'k')
			saving.is_suicidal = true;
		else if (option == 'i')
			saving.every_s = strtod(optarg, NULL);
		else if (option == 'n')
			job.limit = strtoul(optarg, NULL, 10);
		else
			return usage(argv[0]);
	}
	if (optind != argc - 1)
		return usage(argv[0]);
	saving.path = argv[optind];
	saving.last_s = now_s();
	printf("process %d begins\n", (int)getpid());
	work(&job, &saving);
	printf("%lu takes %d steps, the most of all below %lu\n", job.best, job.steps, job.limit);
	return 0;
}
