/* SPDX-License-Identifier: MIT */
/*
 * Asks sysfs for devices, and ib_read_bw(1) for their speed.  Called by rows_rdma.c.
 */
#define _GNU_SOURCE
#include "bench/ib_read.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICES "/sys/class/infiniband"
#define PROGRAM "ib_read_bw"
#define MESSAGE "1048576"
#define ITERATIONS "200"
#define GB_OF_MIB (1048576.0 / 1e9)
/* The client begins once the server listens, of which nothing tells but that it can be reached. */
#define ATTEMPTS 50
#define ATTEMPT_US 100000

int ib_find_device(char *name, size_t bytes)
{
	DIR *directory = opendir(DEVICES);
	struct dirent *entry;
	int found = -1;

	while (directory && found && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, bytes, "%s", entry->d_name);
		found = 0;
	}
	if (directory)
		closedir(directory);
	return found;
}

static void read_attribute(const char *name, const char *attribute, char *text, size_t bytes)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", name, attribute);
	file = fopen(path, "re");
	if (!file || !fgets(text, (int)bytes, file))
		snprintf(text, bytes, "?");
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

void ib_describe(const char *name, char *text, size_t bytes)
{
	char layer[64], rate[64], state[64];

	read_attribute(name, "ports/1/link_layer", layer, sizeof(layer));
	read_attribute(name, "ports/1/rate", rate, sizeof(rate));
	read_attribute(name, "ports/1/state", state, sizeof(state));
	snprintf(text, bytes, "%s, %s, %s, %s", name, layer, rate, state);
}

/* -- ib_read_bw --------------------------------------------------------------------------- */

static bool is_installed(void)
{
	const char *path = getenv("PATH");
	char *copy = path ? strdup(path) : NULL, *rest = copy, *folder;
	bool found = false;

	while (copy && !found && (folder = strsep(&rest, ":"))) {
		char program[PATH_MAX];

		snprintf(program, sizeof(program), "%s/" PROGRAM, folder);
		found = access(program, X_OK) == 0;
	}
	free(copy);
	return found;
}

/* Its output as a stream; the server has none. */
static pid_t start(const char *name, const char *peer, FILE **output)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close_range(STDERR_FILENO + 1, ~0u, 0);
		execlp(PROGRAM, PROGRAM, "-F", "-d", name, "-s", MESSAGE, "-n", ITERATIONS, peer,
		       (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*output = pid == -1 ? NULL : fdopen(ends[0], "r");
	if (!*output)
		close(ends[0]);
	return pid;
}

/* The average is the fourth number of the line that begins with the size of a message. */
static double read_average(FILE *output)
{
	double bytes, iterations, peak, average, found = 0;
	char line[512];

	while (fgets(line, sizeof(line), output))
		if (sscanf(line, "%lf %lf %lf %lf", &bytes, &iterations, &peak, &average) == 4 &&
		    bytes == atof(MESSAGE))
			found = average;
	return found;
}

static double run_client(const char *name)
{
	FILE *output = NULL;
	pid_t pid = start(name, "127.0.0.1", &output);
	double average = output ? read_average(output) : 0;

	if (output)
		fclose(output);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return average;
}

int ib_read_bandwidth(const char *name, struct series *series)
{
	double average = 0;
	FILE *output = NULL;
	pid_t server;

	if (!is_installed()) {
		snprintf(series->skipped, sizeof(series->skipped),
			 PROGRAM " (perftest) is not installed");
		return 0;
	}
	server = start(name, NULL, &output);
	for (int i = 0; i < ATTEMPTS && server > 0 && average == 0; i++) {
		average = run_client(name);
		if (average == 0)
			usleep(ATTEMPT_US);
	}
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	if (output)
		fclose(output);
	if (average == 0) {
		fprintf(stderr, PROGRAM " on %s: no result\n", name);
		return -1;
	}
	series_add(series, average * GB_OF_MIB);
	return 0;
}
