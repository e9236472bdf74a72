/* SPDX-License-Identifier: MIT */
/*
 * Claim: a restarted program learns with what it was started, keeps its own command line
 * otherwise, and has the standard streams of the new process and no other of its descriptors.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/restart.h"

#define EXTRA_FDS 40
#define LONG_BYTES 100000

static bool is_command_line_kept(const char *before, size_t bytes)
{
	char now[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, now, sizeof(now));

	close(fd);
	return got == (ssize_t)bytes && memcmp(now, before, bytes) == 0;
}

static size_t read_command_line(char *text, size_t bytes)
{
	int fd = CHECK_CALL(open("/proc/self/cmdline", O_RDONLY));
	ssize_t got = CHECK_CALL(read(fd, text, bytes));

	close(fd);
	return (size_t)got;
}

/* Answers with its arguments, one variable, and a line from standard input. */
static int body(void)
{
	char before[4096], line[64] = "";
	size_t bytes = read_command_line(before, sizeof(before));
	char **argv, **envp, **found;
	int argc;

	restart_point();
	if (rfork_restart_args(&argc, &argv, &envp) < 0)
		return 1;
	if (!is_command_line_kept(before, bytes))
		return 2;
	for (int fd = STDERR_FILENO + 1; fd < EXTRA_FDS; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 2;
	for (found = envp; *found && strncmp(*found, "RESTART_TEST=", 13); found++)
		;
	if (!fgets(line, sizeof(line), stdin))
		return 3;
	printf("%d", argc);
	for (int i = 0; i < argc; i++)
		printf(" %s", argv[i]);
	printf("%s %s %s", argv[argc] ? "?" : "", *found ? *found : "none", line);
	fprintf(stderr, "errors");
	return fflush(stdout) == 0 && getenv("RESTART_TEST") == NULL ? RESTART_RIGHT : 4;
}

struct streams {
	int in[2], out[2], err[2];
};

static pid_t start(const char *path, const struct streams *streams, char *const arguments[],
		   char *const environment[])
{
	pid_t pid = CHECK_CALL(fork());

	if (pid == 0) {
		dup2(streams->in[0], 0);
		dup2(streams->out[1], 1);
		dup2(streams->err[1], 2);
		for (int fd = STDERR_FILENO + 1; fd < EXTRA_FDS; fd++)
			dup2(0, fd);
		execve(path, arguments, environment);
		_exit(99);
	}
	return pid;
}

static void expect_answer(const char *path, char *const arguments[], char *const environment[],
			  const char *expected)
{
	struct streams streams;
	static char text[LONG_BYTES + 1024];
	pid_t pid;

	CHECK_CALL(pipe2(streams.in, O_CLOEXEC));
	CHECK_CALL(pipe2(streams.out, O_CLOEXEC));
	CHECK_CALL(pipe2(streams.err, O_CLOEXEC));
	pid = start(path, &streams, arguments, environment);
	close(streams.in[0]);
	close(streams.out[1]);
	close(streams.err[1]);
	test_write(streams.in[1], "a line\n", 7);
	close(streams.in[1]);
	text[test_read(streams.out[0], text, sizeof(text) - 1)] = '\0';
	CHECK_TEXT(text, expected);
	text[test_read(streams.err[0], text, sizeof(text) - 1)] = '\0';
	CHECK_TEXT(text, "errors");
	test_expect_exit(pid, RESTART_RIGHT);
	close(streams.out[0]);
	close(streams.err[0]);
}

/* Longer than all that the restart needs otherwise. */
static void expect_long(const char *path)
{
	static char argument[LONG_BYTES], expected[LONG_BYTES + 64];
	char *arguments[] = { "name", argument, NULL };
	static char *const none[] = { NULL };

	memset(argument, 'x', sizeof(argument) - 1);
	snprintf(expected, sizeof(expected), "2 name %s none a line\n", argument);
	expect_answer(path, arguments, none, expected);
}

static int closed_fd;

/* A standard stream that is closed at the start is so in the program. */
static int closed_body(void)
{
	restart_point();
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if ((fcntl(fd, F_GETFD) < 0) != (fd == closed_fd))
			return 1;
	return RESTART_RIGHT;
}

static void check_closed(const char *path)
{
	for (closed_fd = 0; closed_fd <= STDERR_FILENO; closed_fd++) {
		pid_t pid;

		restart_write(path, closed_body);
		pid = CHECK_CALL(fork());
		if (pid == 0) {
			close(closed_fd);
			execl(path, path, NULL);
			_exit(99);
		}
		test_expect_exit(pid, RESTART_RIGHT);
	}
}

int main(void)
{
	static const char *const names[] = { "app" };
	static char *const none[] = { NULL };
	static char *const environment[] = { "FIRST=1", "RESTART_TEST=there", NULL };
	char *empty[] = { "name", NULL };
	char *some[] = { "name", "one", "", "three and", NULL };
	const char *path;

	test_begin();
	CHECK_EQUAL(rfork_restart_args(NULL, NULL, NULL), -1);
	CHECK_EQUAL(errno, ENOENT);
	path = checkpoint_path("app");
	restart_write(path, body);
	expect_answer(path, some, environment, "4 name one  three and RESTART_TEST=there a line\n");
	expect_answer(path, empty, none, "1 name none a line\n");
	expect_long(path);
	check_closed(path);
	checkpoint_clean(names, 1);
	return test_end();
}
