/* SPDX-License-Identifier: MIT */
/*
 * Becomes a daemon.  Called by main() before it holds a key or a socket, and again when
 * the server is ready; until then errors still go to the user's terminal.
 */
#define _GNU_SOURCE
#include "server/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

_Noreturn static void await_daemon(int fd)
{
	char byte;
	ssize_t got;

	do
		got = read(fd, &byte, 1);
	while (got < 0 && errno == EINTR);
	_exit(got == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int rf_daemon_start(int *ready, struct rf_report *report)
{
	int pair[2];
	pid_t pid;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return rf_report(report, errno, "going to the background: %m");
	pid = fork();
	if (pid < 0)
		return rf_report(report, errno, "going to the background: %m");
	if (pid > 0) {
		close(pair[1]);
		await_daemon(pair[0]);
	}
	close(pair[0]);
	/* A session leader could get a controlling terminal by opening one: hence the second. */
	if (setsid() < 0)
		return rf_report(report, errno, "a session of its own: %m");
	pid = fork();
	if (pid < 0)
		return rf_report(report, errno, "going to the background: %m");
	if (pid > 0)
		_exit(EXIT_SUCCESS);
	*ready = pair[1];
	return 0;
}

/* A log file stays; a terminal or a pipe would keep its reader waiting for ever. */
int rf_daemon_ready(int ready, struct rf_report *report)
{
	struct stat status;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int error = 0;

	if (null < 0 || chdir("/") < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || fstat(STDERR_FILENO, &status) < 0 ||
	    (!S_ISREG(status.st_mode) && dup2(null, STDERR_FILENO) < 0) || write(ready, "", 1) != 1)
		error = rf_report(report, errno, "going to the background: %m");
	if (null >= 0)
		close(null);
	close(ready);
	return error;
}
