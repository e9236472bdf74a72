/* SPDX-License-Identifier: MIT */
/*
 * Lists, kills and reaps descendants.  Called by a session whose link is lost and by
 * the listener after a session died; must not touch processes that are not descendants.
 */
#define _GNU_SOURCE
#include "server/descendants.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/report.h"

/* The kernel's own list: pids separated by spaces; long lists come in several reads. */
static int visit_list(rf_child_visitor visit, void *argument)
{
	char path[64];
	char text[512];
	pid_t pid = 0;
	ssize_t got;
	int fd;

	rf_format(path, sizeof(path), "/proc/self/task/%d/children", (int)gettid());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((got = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < got; i++) {
			if (text[i] >= '0' && text[i] <= '9') {
				pid = pid * 10 + (text[i] - '0');
			} else if (pid) {
				visit(pid, argument);
				pid = 0;
			}
		}
	}
	if (pid)
		visit(pid, argument);
	got = got < 0 ? -errno : 0;
	close(fd);
	return (int)got;
}

/* The parent of a process, from the fourth word of its stat; the second may hold anything. */
static pid_t parent_of(const char *name)
{
	char path[300];
	char text[512];
	char *parenthesis;

	rf_format(path, sizeof(path), "/proc/%s/stat", name);
	if (rf_io_read_file(path, text, sizeof(text)) < 0)
		return -1; /* gone already */
	parenthesis = strrchr(text, ')');
	if (!parenthesis || strlen(parenthesis) < 5)
		return -1;
	return (pid_t)strtol(parenthesis + 4, NULL, 10);
}

/* For kernels without the list (CONFIG_PROC_CHILDREN). */
static int visit_all_processes(rf_child_visitor visit, void *argument)
{
	const struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (!proc)
		return -errno;
	while ((entry = readdir(proc)) != NULL) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (pid > 0 && !*end && parent_of(entry->d_name) == getpid())
			visit((pid_t)pid, argument);
	}
	closedir(proc);
	return 0;
}

int rf_descendants_visit(rf_child_visitor visit, void *argument)
{
	int error = visit_list(visit, argument);

	return error == -ENOENT ? visit_all_processes(visit, argument) : error;
}

static void kill_child(pid_t pid, void *argument)
{
	(void)argument;
	(void)kill(pid, SIGKILL); /* ESRCH: a zombie that the next wait reaps */
}

int rf_descendants_end(pid_t process_group)
{
	if (process_group > 0)
		(void)kill(-process_group, SIGKILL);
	/* The children of each process that dies become ours: again, until there is none. */
	for (;;) {
		int error = rf_descendants_visit(kill_child, NULL);

		if (error < 0)
			return error;
		if (waitpid(-1, NULL, 0) < 0) {
			if (errno == ECHILD)
				return 0;
			if (errno != EINTR)
				return -errno;
		}
		/* all that are dead by now, lest the next look finds them again */
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
