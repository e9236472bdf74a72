/* SPDX-License-Identifier: MIT */
/*
 * Times rfork() and fork().  Called by the subjects; it allocates nothing and prints only
 * when something went wrong.
 */
#define _GNU_SOURCE
#include "bench/measure.h"

#include <errno.h>
#include <fcntl.h>
#include <rfork.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"

static int times_fd = -1; /* where the children's words come in */

FILE *measure_open(void)
{
	int before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	int ends[2];
	FILE *results;

	if (before == -1 || pipe2(ends, O_CLOEXEC) == -1 || dup2(ends[1], STDOUT_FILENO) == -1) {
		perror("standard output");
		return NULL;
	}
	close(ends[1]);
	times_fd = ends[0];
	results = fdopen(before, "w");
	if (!results)
		perror("standard output");
	return results;
}

_Noreturn static void tell_time(int64_t now)
{
	_exit(write(STDOUT_FILENO, &now, sizeof(now)) == sizeof(now) ? 0 : 1);
}

/* Takes the child's word and sees it end; 0, or -1 after a message. */
static int hear_time(pid_t pid, int64_t *when)
{
	int status;

	if (read(times_fd, when, sizeof(*when)) != sizeof(*when)) {
		fprintf(stderr, "a child did not tell its time\n");
		return -1;
	}
	if (waitpid(pid, &status, 0) == -1) {
		perror("waitpid");
		return -1;
	}
	if (status != 0)
		fprintf(stderr, "a child ended with status %#x\n", (unsigned)status);
	return status == 0 ? 0 : -1;
}

int measure_rfork(const char *host, uint64_t flags, struct measure_times *times)
{
	/* The pipe's other end and the results' stream are of no use to the child. */
	struct rfork_options options = {
		.size = sizeof(options),
		.flags = RFORK_CLOSE_OTHERS | flags,
	};
	int64_t start = clock_now_ns(), returned, first;
	pid_t pid = rfork_with(host, &options);

	if (pid == 0)
		tell_time(clock_now_ns());
	returned = clock_now_ns();
	if (pid == -1)
		return errno;
	if (hear_time(pid, &first))
		return -1;
	times->first_ns = first - start;
	times->return_ns = returned - start;
	return 0;
}

/* Reads every word; the answer keeps the compiler from leaving it out. */
static uint64_t scan(const void *memory, size_t bytes)
{
	const uint64_t *words = memory;
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i += 4)
		sum |= words[i] | words[i + 1] | words[i + 2] | words[i + 3];
	return sum;
}

int measure_fork(const void *memory, size_t bytes, struct measure_times *times)
{
	int64_t start = clock_now_ns(), returned, first;
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t sum = scan(memory, bytes);

		__asm__ volatile("" : : "r"(sum));
		tell_time(clock_now_ns());
	}
	returned = clock_now_ns();
	if (pid == -1) {
		perror("fork");
		return -1;
	}
	if (hear_time(pid, &first))
		return -1;
	times->first_ns = first - start;
	times->return_ns = returned - start;
	return 0;
}
