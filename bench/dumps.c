/* SPDX-License-Identifier: MIT */
/*
 * write(), the kernel's core dump, gcore.  Called by checkpoint.c.  The kernel's core_pattern is
 * taken as it is, and left so.
 */
#define _GNU_SOURCE
#include "bench/dumps.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/region.h"

#define PATTERN "/proc/sys/kernel/core_pattern"
#define EXIT_NOT_FOUND 127

/* -- write() ---------------------------------------------------------------------------------- */

static int write_all(int fd, const char *memory, size_t bytes)
{
	while (bytes) {
		ssize_t done = write(fd, memory, bytes < MIB ? bytes : MIB);

		if (done <= 0)
			return -1;
		memory += done;
		bytes -= (size_t)done;
	}
	return 0;
}

int dumps_write(const char *folder, const void *memory, size_t bytes, int64_t *ns)
{
	char path[PATH_MAX];
	int64_t start;
	int fd, result;

	snprintf(path, sizeof(path), "%s/written", folder);
	start = clock_now_ns();
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	result = fd == -1 ? -1 : write_all(fd, memory, bytes);
	if (fd != -1 && close(fd))
		result = -1;
	*ns = clock_now_ns() - start;
	if (result)
		perror(path);
	unlink(path);
	return result;
}

/* -- a folder of one file -------------------------------------------------------------------- */

static int is_name(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

/* Removes the folder and the one file in it, whose bytes it returns; 0 if there is no such file. */
static uint64_t take_file(const char *folder)
{
	struct dirent **names = NULL;
	int count = scandir(folder, &names, is_name, NULL);
	struct stat status = { 0 };
	char path[PATH_MAX + NAME_MAX + 2];

	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (stat(path, &status))
			status.st_size = 0;
		unlink(path);
		free(names[i]);
	}
	free(names);
	rmdir(folder);
	return count == 1 ? (uint64_t)status.st_size : 0;
}

/* -- the kernel's ---------------------------------------------------------------------------- */

/* Why there will be no core in the working folder; NULL = there will. */
static const char *judge_pattern(void)
{
	FILE *file = fopen(PATTERN, "re");
	char pattern[256] = "";
	struct rlimit limit;

	if (!file || !fgets(pattern, sizeof(pattern), file))
		*pattern = '\0';
	if (file)
		fclose(file);
	if (*pattern == '|')
		return PATTERN " pipes cores to a program";
	if (strchr(pattern, '/'))
		return PATTERN " names another folder";
	if (!*pattern || *pattern == '\n')
		return PATTERN " cannot be read or is empty";
	if (getrlimit(RLIMIT_CORE, &limit) || limit.rlim_max != RLIM_INFINITY)
		return "the hard limit of core files is not unlimited";
	return NULL;
}

_Noreturn static void dump_core(const char *folder, int when)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char byte;

	signal(SIGABRT, SIG_DFL);
	if (setrlimit(RLIMIT_CORE, &unlimited) || chdir(folder) || read(when, &byte, 1) != 0) {
		perror(folder);
		_exit(1);
	}
	abort();
}

/* The child waits for the end of the pipe, so that its fork is not in the time. */
static int time_core(const char *folder, int64_t *ns)
{
	int ends[2], status = 0;
	pid_t pid, ended;

	if (pipe2(ends, O_CLOEXEC)) {
		perror("pipe");
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		close(ends[1]);
		dump_core(folder, ends[0]);
	}
	close(ends[0]);
	*ns = clock_now_ns();
	close(ends[1]);
	ended = pid == -1 ? -1 : waitpid(pid, &status, 0);
	*ns = clock_now_ns() - *ns;
	if (ended != -1 && WIFSIGNALED(status) && WCOREDUMP(status))
		return 0;
	fprintf(stderr, "no core: a child ended with status %#x\n", (unsigned)status);
	return -1;
}

int dumps_core(const char *folder, size_t bytes, int64_t *ns, const char **reason)
{
	char path[PATH_MAX];
	int result;

	*reason = judge_pattern();
	if (*reason)
		return 1;
	snprintf(path, sizeof(path), "%s/core", folder);
	if (mkdir(path, 0700)) {
		perror(path);
		return -1;
	}
	result = time_core(path, ns);
	if (take_file(path) >= bytes || result)
		return result;
	fprintf(stderr, "the kernel's core is not whole\n");
	return -1;
}

/* -- gcore ----------------------------------------------------------------------------------- */

_Noreturn static void run_gcore(const char *prefix, pid_t pid)
{
	int null = open("/dev/null", O_RDWR);
	char number[16];

	snprintf(number, sizeof(number), "%d", (int)pid);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	execlp("gcore", "gcore", "-o", prefix, number, NULL);
	_exit(EXIT_NOT_FOUND);
}

int dumps_gcore(const char *folder, size_t bytes, int64_t *ns, const char **reason)
{
	char path[PATH_MAX], prefix[PATH_MAX + 8];
	int64_t start;
	int status = -1;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/gcore", folder);
	snprintf(prefix, sizeof(prefix), "%s/core", path);
	if (mkdir(path, 0700)) {
		perror(path);
		return -1;
	}
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	start = clock_now_ns();
	pid = fork();
	if (pid == 0)
		run_gcore(prefix, getppid());
	if (pid == -1 || waitpid(pid, &status, 0) == -1)
		perror("gcore");
	*ns = clock_now_ns() - start;
	*reason = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND
			  ? "gcore is not installed"
			  : "gcore cannot read this process";
	return take_file(path) < bytes || status != 0;
}
