/* SPDX-License-Identifier: MIT */
/*
 * What checkpoints cost, and how soon an executable of rfork_undump() runs, each against what the
 * machine does by itself.  Called by bench.c.  All files lie in memory, in a folder that is gone in
 * the end.
 */
#define _GNU_SOURCE
#include "bench/rows_checkpoint.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/scratch.h"
#include "bench/series.h"
#include "bench/subject.h"

#define MS 1e-6 /* of a nanosecond */
#define MIB_OF_BYTES (1.0 / (1 << 20))
#define NEEDED_BYTES (UINT64_C(3) << 30)
#define SIZES 3
#define ROUNDS 200

static struct series written, forked, core, gcore, paused, committed, whole;
static struct series increment_pause, increment_commit, increment, increment_bytes;
/* Of the same run as the increments. */
static struct series near_fork, near_whole, near_bytes, unused;
static struct series hello, started[SIZES];

static const volatile sig_atomic_t *interrupted; /* bench.c's */
static const char *const sizes[SIZES] = { "1", "64", "2048" };

/* -- checkpoints ------------------------------------------------------------------------------- */

static int measure_whole(const char *folder, const char *scratch)
{
	const char *rest[] = { scratch, "7", "1024", "whole", NULL };
	const struct reading readings[] = {
		{ "write", &written, MS }, { "fork", &forked, MS },  { "core", &core, MS },
		{ "gcore", &gcore, MS },   { "pause", &paused, MS }, { "commit", &committed, MS },
		{ "all", &whole, MS },	   { NULL, NULL, 0 },
	};

	return subject_run(folder, "rfork-bench-checkpoint", rest, readings);
}

static int measure_increments(const char *folder, const char *scratch)
{
	const char *rest[] = { scratch, "7", "1024", "increment", NULL };
	const struct reading readings[] = {
		{ "fork", &near_fork, MS },
		{ "all", &near_whole, MS },
		{ "bytes", &near_bytes, MIB_OF_BYTES },
		{ "inc-pause", &increment_pause, MS },
		{ "inc-commit", &increment_commit, MS },
		{ "inc-all", &increment, MS },
		{ "inc-bytes", &increment_bytes, MIB_OF_BYTES },
		{ NULL, NULL, 0 },
	};

	return subject_run(folder, "rfork-bench-checkpoint", rest, readings);
}

/* -- executables ------------------------------------------------------------------------------- */

static int time_start(char *program, int null, struct series *series)
{
	char *arguments[] = { program, NULL }, *environment[] = { NULL };
	int64_t start = clock_now_ns();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		dup2(null, STDOUT_FILENO);
		execve(program, arguments, environment);
		_exit(127);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0) {
		if (!*interrupted)
			fprintf(stderr, "%s: cannot be run\n", program);
		return -1;
	}
	series_add(series, (double)(clock_now_ns() - start) * MS);
	return 0;
}

static int make_image(const char *folder, const char *mebibytes, const char *path)
{
	const char *rest[] = { mebibytes, path, NULL };
	const struct reading nothing = { NULL, NULL, 0 };

	return subject_run(folder, "rfork-bench-image", rest, &nothing);
}

/* All sizes and hello by turns; the first round only warms up. */
static int time_starts(char programs[SIZES + 1][PATH_MAX])
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), result = 0;

	fprintf(stderr, "measuring: starts of executables\n");
	for (int round = 0; round <= ROUNDS && result == 0 && !*interrupted; round++)
		for (int i = 0; i <= SIZES && result == 0; i++)
			result = time_start(programs[i], null,
					    round == 0	 ? &unused
					    : i == SIZES ? &hello
							 : &started[i]);
	close(null);
	return result;
}

static int measure_starts(const char *folder, const char *scratch)
{
	char programs[SIZES + 1][PATH_MAX];
	int result = 0;

	for (int i = 0; i < SIZES && result == 0 && !*interrupted; i++) {
		snprintf(programs[i], PATH_MAX, "%s/start-%s", scratch, sizes[i]);
		result = make_image(folder, sizes[i], programs[i]);
	}
	snprintf(programs[SIZES], PATH_MAX, "%s/rfork-bench-hello", folder);
	return result ? result : time_starts(programs);
}

/* -- the run ----------------------------------------------------------------------------------- */

static int with_scratch(const char *folder, int (*measure)(const char *folder, const char *scratch))
{
	char scratch[SCRATCH_PATH_BYTES];
	int result;

	if (scratch_make(scratch, NEEDED_BYTES))
		return -1;
	result = measure(folder, scratch);
	scratch_remove(scratch);
	return result;
}

int rows_checkpoint_measure(const char *folder, const volatile sig_atomic_t *flag)
{
	int (*const parts[])(const char *folder, const char *scratch) = { measure_starts,
									  measure_whole,
									  measure_increments };
	int result = 0;

	interrupted = flag;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && !*interrupted; i++)
		if (with_scratch(folder, parts[i]))
			result = -1;
	return result;
}

static double median(struct series *series)
{
	return series_quantile(series, 0.5);
}

static void print_checkpoints(FILE *csv)
{
	const char *write_name = "write() of the same bytes", *core_name = "kernel core dump";
	const struct row rows[] = {
		{ "1 GiB: write() to tmpfs", "ms", &written, "-", 0, 0, 0, NULL },
		{ "1 GiB: kernel core dump", "ms", &core, write_name, median(&written), 0, 0,
		  NULL },
		{ "1 GiB: gcore", "ms", &gcore, write_name, median(&written), 0, 0, NULL },
		{ "1 GiB: checkpoint, until it is durable", "ms", &whole, write_name,
		  median(&written), 1.15, 0, "<= 1.15 x" },
		{ "1 GiB: checkpoint, until it is durable", "ms", &whole, core_name, median(&core),
		  0.5, 0, "<= 0.5 x" },
		{ "1 GiB: checkpoint, until it is durable", "ms", &whole, "gcore", median(&gcore),
		  0, 0, NULL },
		{ "1 GiB: rfork_commit() alone", "ms", &committed, write_name, median(&written), 0,
		  0, NULL },
		{ "1 GiB: pause of rfork_checkpoint()", "ms", &paused, "fork", median(&forked), 1.2,
		  1, "<= 1.2 x + 1" },
		{ "1 GiB, 1 % changed: increment", "ms", &increment, "whole checkpoint",
		  median(&near_whole), 0, 0, NULL },
		{ "1 GiB, 1 % changed: its commit alone", "ms", &increment_commit,
		  "whole checkpoint", median(&near_whole), 0, 0, NULL },
		{ "1 GiB, 1 % changed: pause", "ms", &increment_pause, "fork", median(&near_fork),
		  1.2, 1, "<= 1.2 x + 1" },
		{ "1 GiB, 1 % changed: file", "MiB", &increment_bytes, "whole checkpoint",
		  median(&near_bytes), 0, 0, NULL },
	};

	table_rows(rows, sizeof(rows) / sizeof(*rows), csv);
}

static void print_starts(FILE *csv)
{
	const char *name = "dynamic hello", *flat = "1 MiB";
	double floor = median(&hello), least = median(&started[0]);
	const struct row rows[] = {
		{ "fork+exec+wait of a dynamic hello", "ms", &hello, "-", 0, 0, 0, NULL },
		{ "executable, 1 MiB of memory: start to end", "ms", &started[0], name, floor, 0, 1,
		  "<= 1 ms" },
		{ "executable, 64 MiB of memory", "ms", &started[1], name, floor, 0, 1, "<= 1 ms" },
		{ "executable, 2 GiB of memory", "ms", &started[2], name, floor, 0, 1, "<= 1 ms" },
		{ "executable, 64 MiB of memory", "ms", &started[1], flat, least, 1.2, 0,
		  "<= 1.2 x" },
		{ "executable, 2 GiB of memory", "ms", &started[2], flat, least, 1.2, 0,
		  "<= 1.2 x" },
	};

	table_rows(rows, sizeof(rows) / sizeof(*rows), csv);
}

void rows_checkpoint_print(FILE *csv)
{
	print_checkpoints(csv);
	print_starts(csv);
}
