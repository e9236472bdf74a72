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
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"

/* The child's end, which its standard output carries to whoever runs the subject: the caller holds no end
 * of a pipe for it, which would be one more stream to relay. */
_Noreturn static void print_first(const char *word, int64_t nanoseconds)
{
	char line[32];
	int length = snprintf(line, sizeof(line), "%s %lld\n", word, (long long)nanoseconds);

	_exit(write(STDOUT_FILENO, line, (size_t)length) == length ? 0 : 1);
}

static int await_child(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) == -1) {
		perror("waitpid");
		return -1;
	}
	if (status != 0)
		fprintf(stderr, "a child ended with status %#x\n", (unsigned)status);
	return status == 0 ? 0 : -1;
}

int measure_rfork_with(const char *host, const struct rfork_options *options, const char *word,
		       int64_t *return_ns)
{
	int64_t start = clock_now_ns();
	pid_t pid = rfork_with(host, options);

	if (pid == 0)
		print_first(word, clock_now_ns() - start);
	*return_ns = clock_now_ns() - start;
	return pid == -1 ? errno : await_child(pid);
}

int measure_rfork(const char *host, uint64_t flags, int64_t *return_ns)
{
	const struct rfork_options options = { .size = sizeof(options), .flags = flags };

	return measure_rfork_with(host, &options, "first", return_ns);
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

/* Takes the child's word and sees it end; 0, or -1 after a message. */
static int hear_time(int fd, pid_t pid, int64_t *when)
{
	if (read(fd, when, sizeof(*when)) == sizeof(*when))
		return await_child(pid);
	fprintf(stderr, "a child did not tell its time\n");
	return -1;
}

int measure_fork(const void *memory, size_t bytes, struct measure_times *times)
{
	int64_t start, returned, first;
	int ends[2], result;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) == -1) {
		perror("pipe");
		return -1;
	}
	start = clock_now_ns();
	pid = fork();
	if (pid == 0) {
		uint64_t sum = scan(memory, bytes);

		__asm__ volatile("" : : "r"(sum));
		first = clock_now_ns();
		_exit(write(ends[1], &first, sizeof(first)) == sizeof(first) ? 0 : 1);
	}
	returned = clock_now_ns();
	close(ends[1]);
	if (pid == -1)
		perror("fork");
	result = pid == -1 ? -1 : hear_time(ends[0], pid, &first);
	close(ends[0]);
	if (result == 0) {
		times->first_ns = first - start;
		times->return_ns = returned - start;
	}
	return result;
}
