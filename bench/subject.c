/* SPDX-License-Identifier: MIT */
/*
 * Runs subjects and sorts their lines.  Called by bench.c and rows_checkpoint.c.
 */
#define _GNU_SOURCE
#include "bench/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ARGUMENTS 6

/* Starts a program of ours with its standard output as a stream; NULL after a message. */
static FILE *start_subject(char *const *arguments, pid_t *pid)
{
	int ends[2];
	FILE *output;

	if (pipe(ends) == -1) {
		perror("pipe");
		return NULL;
	}
	*pid = fork();
	if (*pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		/* whatever else is open here is none of the subject's streams */
		dup2(null, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		close_range(STDERR_FILENO + 1, ~0u, 0);
		execv(arguments[0], arguments);
		fprintf(stderr, "%s: %s\n", arguments[0], strerror(errno));
		_exit(127);
	}
	close(ends[1]);
	if (*pid == -1) {
		perror("fork");
		close(ends[0]);
		return NULL;
	}
	output = fdopen(ends[0], "r");
	if (!output) {
		perror("fdopen");
		close(ends[0]);
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	return output;
}

static const struct reading *find_reading(const struct reading *readings, const char *word)
{
	for (; readings->word; readings++)
		if (!strcmp(word, readings->word))
			return readings;
	return NULL;
}

static void take_line(char *line, const struct reading *readings)
{
	const struct reading *reading;
	long long number;
	char word[16];
	int rest = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "skip %15s %n", word, &rest) == 1 && rest) {
		reading = find_reading(readings, word);
		if (reading)
			snprintf(reading->series->skipped, SERIES_SENTENCE_BYTES, "%s",
				 line + rest);
	} else if (sscanf(line, "%15s %lld", word, &number) == 2) {
		reading = find_reading(readings, word);
		if (reading)
			series_add(reading->series, (double)number * reading->scale);
	}
}

int subject_run(const char *folder, const char *name, const char *const *rest,
		const struct reading *readings)
{
	char program[PATH_MAX + 32], line[512], *arguments[MOST_ARGUMENTS + 2] = { program };
	int status = -1;
	FILE *output;
	pid_t pid;

	fprintf(stderr, "measuring: %s", name);
	snprintf(program, sizeof(program), "%s/%s", folder, name);
	for (int i = 0; i < MOST_ARGUMENTS && rest[i]; i++) {
		arguments[i + 1] = (char *)rest[i];
		fprintf(stderr, " %s", rest[i]);
	}
	fputc('\n', stderr);
	output = start_subject(arguments, &pid);
	if (!output)
		return -1;
	while (fgets(line, sizeof(line), output))
		take_line(line, readings);
	fclose(output);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (status != 0)
		fprintf(stderr, "%s ended with status %#x\n", name, (unsigned)status);
	return status == 0 ? 0 : -1;
}
