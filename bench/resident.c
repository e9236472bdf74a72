/* SPDX-License-Identifier: MIT */
/*
 * A process with 64 MiB of memory that forks itself to a node, and looks at what stays of that on
 * either side while the child waits:
 *
 *     rfork-bench-resident HOST
 *
 * Prints "ghost N" and "session N", bytes of resident memory; and "idle N", nanoseconds of CPU time
 * that both have taken in IDLE_MS milliseconds.  The node must be on this machine.  Run by bench.c.
 */
#include <fcntl.h>
#include <rfork.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/region.h"

#define IDLE_MS 1000

static int read_text(const char *name, pid_t pid, char *text, size_t bytes)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd == -1 ? -1 : read(fd, text, bytes - 1);
	if (got <= 0)
		perror(path);
	if (fd != -1)
		close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? 0 : -1;
}

/* proc_pid_status(5); -1 after a message. */
static long long resident_bytes(pid_t pid)
{
	char text[8192];
	const char *line;

	if (read_text("status", pid, text, sizeof(text)))
		return -1;
	line = strstr(text, "\nVmRSS:");
	return line ? 1024 * strtoll(line + strlen("\nVmRSS:"), NULL, 10) : -1;
}

/* The first number of /proc/PID/schedstat; -1 after a message. */
static long long cpu_ns(pid_t pid)
{
	char text[256];

	return read_text("schedstat", pid, text, sizeof(text)) ? -1 : strtoll(text, NULL, 10);
}

/* The child has said which process is its session, and waits. */
static int look(pid_t ghost, pid_t session)
{
	const struct timespec idle = { IDLE_MS / 1000, IDLE_MS % 1000 * 1000000l };
	long long before, after;

	nanosleep(&idle, NULL); /* what is left to be given back has been */
	before = cpu_ns(ghost) + cpu_ns(session);
	nanosleep(&idle, NULL);
	after = cpu_ns(ghost) + cpu_ns(session);
	printf("ghost %lld\nsession %lld\nidle %lld\n", resident_bytes(ghost),
	       resident_bytes(session), after - before);
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t *memory = region_map(64 * MIB);
	pid_t ghost, session = 0;
	int up[2], down[2], status = 1, result;
	char byte = 0;

	if (argc != 2 || !memory || pipe(up) || pipe(down)) {
		fprintf(stderr, "usage: %s HOST\n", argv[0]);
		return 2;
	}
	region_fill_random(memory, 64 * MIB);
	ghost = rfork(argv[1]);
	if (ghost == 0) {
		session = getppid();
		_exit(write(up[1], &session, sizeof(session)) != sizeof(session) ||
		      read(down[0], &byte, 1) != 1);
	}
	if (ghost == -1) {
		fprintf(stderr, "%s: %s\n", argv[1], rfork_error());
		return 1;
	}
	if (read(up[0], &session, sizeof(session)) != sizeof(session))
		return 1;
	result = look(ghost, session);
	if (write(down[1], &byte, 1) != 1 || waitpid(ghost, &status, 0) == -1 || status)
		return 1;
	return result ? 1 : 0;
}
