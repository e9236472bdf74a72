/* SPDX-License-Identifier: MIT */
/*
 * Run: render [-o OUT.png] [-s WIDTHxHEIGHT] [-i] [-q] SCENE [HOST...]
 *
 * The main example: a ray tracer that loads a scene, clones itself with rfork() to every host
 * named (a host may be named several times), and makes one picture of the rows that the
 * clones compute.  Without a host it computes all itself; the picture is the same, byte by
 * byte.  What a clone leaves undone is done here.  -i allows hosts beyond loopback, over an
 * insecure, unencrypted connection; -q says less.
 *
 * Exit status: 0 the picture is written; 1 it is not; 2 wrong usage; 3 it is written and
 * whole, but not every clone did its share.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "examples/clones.h"
#include "examples/picture.h"
#include "examples/scene.h"
#include "examples/trace.h"

enum { RESULT_DONE, RESULT_FAILED, RESULT_USAGE, RESULT_HELPED };

static int quiet, insecure;

static int usage(const char *program)
{
	fprintf(stderr, "usage: %s [-o OUT.png] [-s WIDTHxHEIGHT] [-i] [-q] SCENE [HOST...]\n",
		program);
	return RESULT_USAGE;
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* On a terminal one line that is written over, ten times a second; else a line a quarter. */
static void show_progress(const struct picture *picture)
{
	static double shown_s;
	static unsigned quarters;
	unsigned percent = 100 * picture->rows / picture->height;

	if (quiet)
		return;
	if (!isatty(STDERR_FILENO)) {
		if (percent / 25 > quarters)
			fprintf(stderr, "%u of %u rows\n", picture->rows, picture->height);
		quarters = percent / 25;
		return;
	}
	if (picture->rows < picture->height && now_s() - shown_s < 0.1)
		return;
	shown_s = now_s();
	fprintf(stderr, "\r%3u %%  %u of %u rows", percent, picture->rows, picture->height);
	if (picture->rows == picture->height)
		fputc('\n', stderr);
}

static void report_troubles(const struct clone *clones, size_t count, unsigned missing)
{
	if (missing && !quiet && isatty(STDERR_FILENO))
		fputc('\n', stderr); /* leaves the line of the progress */
	for (size_t k = 0; k < count; k++)
		if (*clones[k].trouble)
			fprintf(stderr, "%s: %s\n", clones[k].host, clones[k].trouble);
	if (missing && count)
		fprintf(stderr, "%u rows are missing: computing them here\n", missing);
}

/* Computes what is not here yet; how many rows that were. */
static unsigned render_missing(const struct scene *scene, struct picture *picture)
{
	unsigned computed = 0;

	for (unsigned row = 0; row < picture->height; row++) {
		if (picture->here[row])
			continue;
		trace_row(scene, row, picture_row(picture, row));
		picture->here[row] = 1;
		picture->rows++;
		computed++;
		show_progress(picture);
	}
	return computed;
}

static void print_clone(const struct clone *clone, size_t number, int width)
{
	char end[32] = "refused";

	printf("%5zu  %-*s  ", number, width, clone->host);
	if (clone->pid == -1) {
		printf("%-12s  %8s  %9s  %8.2f  %5s  %8s  %s\n", "-", "-", "-", clone->fork_ms, "-",
		       "-", end);
		return;
	}
	if (WIFSIGNALED(clone->status))
		snprintf(end, sizeof(end), "signal %d", WTERMSIG(clone->status));
	else
		snprintf(end, sizeof(end), "exit %d", WEXITSTATUS(clone->status));
	printf("%-12s  %8d  %9u  %8.2f  %5u  %8.2f  %s\n", *clone->node ? clone->node : "?",
	       (int)clone->pid, clone->node_pid, clone->fork_ms, clone->rows, clone->render_s, end);
}

static void print_table(const struct clone *clones, size_t count)
{
	size_t width = strlen("host");

	for (size_t k = 0; k < count; k++)
		if (strlen(clones[k].host) > width)
			width = strlen(clones[k].host);
	printf("clone  %-*s  %-12s  %8s  %9s  %8s  %5s  %8s  %s\n", (int)width, "host", "node",
	       "pid here", "pid there", "fork ms", "rows", "render s", "ended");
	for (size_t k = 0; k < count; k++)
		print_clone(&clones[k], k + 1, (int)width);
}

static int render(const struct scene *scene, struct clone *clones, size_t count, const char *output)
{
	int result = RESULT_FAILED;
	double start = now_s();
	struct picture picture;
	unsigned here;

	if (picture_make(&picture, scene->width, scene->height) == -1) {
		perror("picture");
		goto out;
	}
	clones_start(clones, count, scene, insecure);
	clones_collect(clones, count, &picture, show_progress);
	report_troubles(clones, count, picture.height - picture.rows);
	here = render_missing(scene, &picture);
	if (picture_write_png(&picture, output) == -1)
		goto out;
	result = RESULT_DONE;
	for (size_t k = 0; k < count; k++)
		if (!clones[k].complete)
			result = RESULT_HELPED;
	if (!quiet && count)
		print_table(clones, count);
	if (!quiet)
		printf("%s: %u x %u pixels, %zu shapes, %u rows by clones and %u here, %.2f s\n",
		       output, picture.width, picture.height, scene->shape_count,
		       picture.height - here, here, now_s() - start);
out:
	picture_free(&picture);
	return result;
}

/* 0, or -1: not of the form WIDTHxHEIGHT, or too large. */
static int parse_size(const char *text, unsigned *width, unsigned *height)
{
	char rest;

	if (sscanf(text, "%5ux%5u%c", width, height, &rest) != 2)
		return -1;
	return *width == 0 || *height == 0 || *width > SCENE_MAX_SIZE || *height > SCENE_MAX_SIZE
		       ? -1
		       : 0;
}

int main(int argc, char **argv)
{
	const char *output = "render.png";
	unsigned width = 0, height = 0;
	struct clone *clones;
	struct scene scene;
	size_t count;
	int option, result = RESULT_FAILED;

	while ((option = getopt(argc, argv, "o:s:iq")) != -1) {
		if (option == 'o')
			output = optarg;
		else if (option == 'q')
			quiet = 1;
		else if (option == 'i')
			insecure = 1;
		else if (option != 's' || parse_size(optarg, &width, &height))
			return usage(argv[0]);
	}
	if (optind >= argc)
		return usage(argv[0]);
	count = (size_t)(argc - optind - 1);
	clones = calloc(count + 1, sizeof(*clones));
	if (scene_load(&scene, argv[optind], stderr) == -1)
		goto out;
	if (!clones) {
		perror("clones");
		goto out;
	}
	if (width) {
		scene.width = width;
		scene.height = height;
	}
	for (size_t k = 0; k < count; k++)
		clones[k].host = argv[optind + 1 + (int)k];
	result = render(&scene, clones, count, output);
	if (fflush(stdout) == EOF) {
		perror("standard output");
		result = RESULT_FAILED;
	}
out:
	if (clones)
		clones_free(clones, count);
	scene_free(&scene);
	return result;
}
