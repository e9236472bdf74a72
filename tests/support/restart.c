/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/support/restart.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGUMENTS 16
#define EXIT_WRITTEN 42
#define EXIT_NOT_WRITTEN 43

static const char *executable; /* of the body that runs */

void restart_point(void)
{
	int result = rfork_undump(executable);

	if (result == 0)
		return;
	if (result < 0)
		dprintf(2, "rfork_undump: %s\n", rfork_error());
	_exit(result == 1 ? EXIT_WRITTEN : EXIT_NOT_WRITTEN);
}

void restart_write(const char *path, int (*body)(void))
{
	pid_t pid;

	executable = path;
	pid = CHECK_CALL(fork());
	if (pid == 0)
		_exit(body());
	test_expect_exit(pid, EXIT_WRITTEN);
}

pid_t restart_start(const char *path, ...)
{
	char *arguments[MAX_ARGUMENTS + 1] = { (char *)path };
	va_list list;
	pid_t pid;

	va_start(list, path);
	for (unsigned i = 1; i < MAX_ARGUMENTS && (arguments[i] = va_arg(list, char *)); i++)
		;
	va_end(list);
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		execv(path, arguments);
		_exit(99);
	}
	return pid;
}

void restart_expect(const char *path)
{
	test_expect_exit(restart_start(path, NULL), RESTART_RIGHT);
}

void restart_expect_refusal(const char *path, const char *words)
{
	char text[1024], name[256];
	int ends[2], status;
	size_t bytes;
	pid_t pid;

	CHECK_CALL(pipe2(ends, O_CLOEXEC));
	pid = CHECK_CALL(fork());
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		execl(path, path, NULL);
		_exit(99);
	}
	close(ends[1]);
	bytes = test_read(ends[0], text, sizeof(text) - 1);
	close(ends[0]);
	text[bytes] = '\0';
	status = test_wait(pid);
	dprintf(2, "refused: %s", text);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) != 126 && WEXITSTATUS(status) != 127)
		test_fail(__FILE__, __LINE__, "exit status %d", WEXITSTATUS(status));
	snprintf(name, sizeof(name), "%s: ", path);
	CHECK(strncmp(text, name, strlen(name)) == 0);
	CHECK(bytes > 0 && strchr(text, '\n') == text + bytes - 1);
	if (!strstr(text, words))
		test_fail(__FILE__, __LINE__, "it does not say \"%s\"", words);
}
