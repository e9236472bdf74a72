/* SPDX-License-Identifier: MIT */
/*
 * A process with much random memory that writes checkpoints of itself, by turns with floors:
 *
 *     rfork-bench-checkpoint FOLDER COUNT MEBIBYTES whole|increment
 *
 * whole:     floors: write() of the same bytes, fork(), the kernel's dump and gcore, to FOLDER.
 * increment: each turn, one page in a hundred is written to, and an incremental checkpoint and a
 * whole one are taken.
 *
 * Prints one line a value, in nanoseconds and bytes: "write N", "fork N", "core N", "gcore N",
 * "pause N" of rfork_checkpoint(), "commit N" from rfork_commit() until the file is durable, "all
 * N" from the one call to the end of the other, "bytes N" of memory that the file takes, and
 * "inc-pause", "inc-commit", "inc-all", "inc-bytes" of increments; "skip WORD REASON" for what this
 * machine does not let us.  Run by rows_checkpoint.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <rfork.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/dumps.h"
#include "bench/measure.h"
#include "bench/region.h"

#define PAGE_BYTES 4096u
#define CHANGED_SHARE 100
#define GCORE_TURNS 3 /* it takes long, and no target hangs on it */

struct subject {
	const char *folder;
	void *memory;
	size_t bytes;
	uint64_t random;
};

struct checkpoint_times {
	int64_t pause_ns, commit_ns, all_ns;
	uint64_t file_bytes;
};

/* -- one checkpoint ---------------------------------------------------------------------------- */

/* Writes a held checkpoint; 0, or -1. */
static int commit(rfork_crid_t crid, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int result = fd == -1 ? -1 : rfork_commit(crid, fd);

	if (result == 0)
		result = rfork_commit_wait(crid, -1);
	if (fd == -1)
		perror(path);
	else if (result)
		fprintf(stderr, "%s: %s\n", path, rfork_error());
	if (fd != -1)
		close(fd);
	return result;
}

/* path: of a file that is not there yet. */
static int take_checkpoint(const char *path, unsigned flags, struct checkpoint_times *times)
{
	int64_t start = clock_now_ns(), held, done;
	rfork_crid_t crid = rfork_checkpoint(flags);
	struct stat status;
	int result;

	held = clock_now_ns();
	if (crid == 0)
		_exit(0); /* a restart, which nobody here asks for */
	if (crid == -1) {
		fprintf(stderr, "rfork_checkpoint: %s\n", rfork_error());
		return -1;
	}
	result = commit(crid, path);
	done = clock_now_ns();
	if (rfork_discard(crid) || result || stat(path, &status))
		return -1;
	times->pause_ns = held - start;
	times->commit_ns = done - held;
	times->all_ns = done - start;
	times->file_bytes = (uint64_t)status.st_blocks * 512;
	return 0;
}

static int measure_checkpoint(const struct subject *subject, const char *name, unsigned flags,
			      const char *prefix)
{
	struct checkpoint_times times;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", subject->folder, name);
	if (region_warm(subject->bytes + subject->bytes / 4) ||
	    take_checkpoint(path, flags, &times))
		return -1;
	printf("%spause %lld\n%scommit %lld\n", prefix, (long long)times.pause_ns, prefix,
	       (long long)times.commit_ns);
	printf("%sall %lld\n%sbytes %lld\n", prefix, (long long)times.all_ns, prefix,
	       (long long)times.file_bytes);
	return 0;
}

static int measure_whole(const struct subject *subject)
{
	char path[PATH_MAX];
	int result = measure_checkpoint(subject, "whole", 0, "");

	snprintf(path, sizeof(path), "%s/whole", subject->folder);
	unlink(path);
	return result;
}

/* -- floors ------------------------------------------------------------------------------------ */

/* Prints what a floor has said; 0, or -1. */
static int print_floor(const char *word, int result, int64_t ns, const char *reason)
{
	if (result == 1)
		printf("skip %s %s\n", word, reason);
	else if (result == 0)
		printf("%s %lld\n", word, (long long)ns);
	return result == -1 ? -1 : 0;
}

static int measure_fork_pause(const struct subject *subject)
{
	struct measure_times times;

	if (region_warm(subject->bytes / 4) || measure_fork(subject->memory, 0, &times))
		return -1;
	return print_floor("fork", 0, times.return_ns, NULL);
}

static int measure_floors(const struct subject *subject, bool with_gcore)
{
	const char *reason = NULL;
	int64_t ns = 0;
	int result;

	if (region_warm(subject->bytes + subject->bytes / 4))
		return -1;
	result = dumps_write(subject->folder, subject->memory, subject->bytes, &ns);
	if (print_floor("write", result, ns, reason) || measure_fork_pause(subject) ||
	    region_warm(subject->bytes + subject->bytes / 4))
		return -1;
	result = dumps_core(subject->folder, subject->bytes, &ns, &reason);
	if (print_floor("core", result, ns, reason) || !with_gcore)
		return result == -1 ? -1 : 0;
	if (region_warm(subject->bytes + subject->bytes / 4))
		return -1;
	result = dumps_gcore(subject->folder, subject->bytes, &ns, &reason);
	return print_floor("gcore", result, ns, reason);
}

/* -- turns ------------------------------------------------------------------------------------- */

static int take_turn(const struct subject *subject, int turn)
{
	if (measure_floors(subject, turn < GCORE_TURNS) || measure_whole(subject))
		return -1;
	return fflush(stdout) ? -1 : 0;
}

static void change_pages(struct subject *subject)
{
	size_t pages = subject->bytes / PAGE_BYTES;

	for (size_t i = 0; i < pages / CHANGED_SHARE; i++) {
		size_t page = region_next_random(&subject->random) % pages;

		((uint64_t *)subject->memory)[page * PAGE_BYTES / sizeof(uint64_t)] =
			subject->random;
	}
}

static int take_increment(struct subject *subject, int turn)
{
	char name[32];

	change_pages(subject);
	snprintf(name, sizeof(name), "increment-%d", turn);
	if (measure_checkpoint(subject, name, RFORK_INCREMENTAL, "inc-") ||
	    measure_fork_pause(subject) || measure_whole(subject))
		return -1;
	return fflush(stdout) ? -1 : 0;
}

static int measure_increments(struct subject *subject, int count)
{
	struct checkpoint_times unused;
	char path[PATH_MAX];
	int result;

	/* what they are increments to */
	snprintf(path, sizeof(path), "%s/first", subject->folder);
	result = take_checkpoint(path, RFORK_INCREMENTAL, &unused);
	for (int i = 0; i < count && result == 0; i++)
		result = take_increment(subject, i);
	return result;
}

int main(int argc, char **argv)
{
	int count = argc == 5 ? atoi(argv[2]) : 0, result = 0;
	struct subject subject = { .folder = argv[1], .random = 1 };
	bool is_whole = argc == 5 && !strcmp(argv[4], "whole");

	subject.bytes = argc == 5 ? strtoul(argv[3], NULL, 10) * MIB : 0;
	if (count < 1 || !subject.bytes || (!is_whole && strcmp(argv[4], "increment") != 0)) {
		fprintf(stderr, "usage: %s FOLDER COUNT MEBIBYTES whole|increment\n", argv[0]);
		return 2;
	}
	subject.memory = region_map(subject.bytes);
	if (!subject.memory)
		return 1;
	region_fill_random(subject.memory, subject.bytes);
	if (!is_whole)
		return measure_increments(&subject, count) ? 1 : 0;
	for (int i = 0; i < count && result == 0; i++)
		result = take_turn(&subject, i);
	return result ? 1 : 0;
}
