/* SPDX-License-Identifier: MIT */
/*
 * Looks at what the child and its descendants wait for, as ps(1) and strace(1) do: in /proc.  A
 * terminal itself tells nobody that it is being read.  Called only when there is something to
 * read at home.
 */
#define _GNU_SOURCE
#include "server/pty_readers.h"

#include <asm/ioctls.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"

/* A tree that is deeper, or larger, is not the user's who types. */
#define GENERATIONS_MAX 64u
#define TASKS_MAX 4096u
#define POLLED_MAX 1024u
#define SELECTED_MAX 1024u

struct search {
	dev_t device;	  /* of the terminal */
	pid_t foreground; /* its process group */
	unsigned tasks;	  /* how many have been looked at */
};

/* The call in which a task waits, with the first two of its arguments. */
struct call {
	long number;
	uint64_t arguments[2];
};

static bool search_children(struct search *search, pid_t pid, pid_t task, unsigned generation);

/* -- what a call is about --------------------------------------------------------------------- */

/* Whether a descriptor of a process is open on the terminal, under its own name or /dev/tty. */
static bool is_terminal(const struct search *search, pid_t pid, uint64_t fd)
{
	struct stat status;
	char path[48];

	if (fd > INT32_MAX)
		return false;
	rf_format(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, (int)fd);
	return stat(path, &status) == 0 && S_ISCHR(status.st_mode) &&
	       (status.st_rdev == search->device || status.st_rdev == makedev(5, 0));
}

static bool read_memory(pid_t pid, uint64_t address, void *to, size_t bytes)
{
	struct iovec here = { to, bytes }, there = { (void *)(uintptr_t)address, bytes };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == (ssize_t)bytes;
}

static bool polls(const struct search *search, pid_t pid, const struct call *call)
{
	static struct pollfd polled[POLLED_MAX];
	size_t count = call->arguments[1] < POLLED_MAX ? call->arguments[1] : POLLED_MAX;

	if (!read_memory(pid, call->arguments[0], polled, count * sizeof(polled[0])))
		return false;
	for (size_t i = 0; i < count; i++)
		if (polled[i].fd >= 0 && polled[i].events & (POLLIN | POLLRDNORM) &&
		    is_terminal(search, pid, (uint64_t)polled[i].fd))
			return true;
	return false;
}

static bool selects(const struct search *search, pid_t pid, const struct call *call)
{
	uint64_t selected[SELECTED_MAX / 64] = { 0 };
	size_t count = call->arguments[0] < SELECTED_MAX ? call->arguments[0] : SELECTED_MAX;

	if (!read_memory(pid, call->arguments[1], selected, (count + 63) / 64 * 8))
		return false;
	for (size_t fd = 0; fd < count; fd++)
		if (selected[fd / 64] >> fd % 64 & 1 && is_terminal(search, pid, fd))
			return true;
	return false;
}

/* "tfd:        0 events: 80000019 data: ..." */
static bool is_watched_line(const struct search *search, pid_t pid, const char *line)
{
	const char *events = strstr(line, "events:");

	return strncmp(line, "tfd:", 4) == 0 && events &&
	       strtoul(events + 7, NULL, 16) & (EPOLLIN | EPOLLRDNORM) &&
	       is_terminal(search, pid, strtoul(line + 4, NULL, 10));
}

static bool watches(const struct search *search, pid_t pid, const struct call *call)
{
	static char text[65536];
	char path[64];
	long got;

	rf_format(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)pid, (int)call->arguments[0]);
	got = rf_io_read_file(path, text, sizeof(text));
	if (got < 0 && got != -EFBIG)
		return false;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (is_watched_line(search, pid, line))
			return true;
	}
	return false;
}

static bool is_about_terminal(const struct search *search, pid_t pid, const struct call *call)
{
	switch (call->number) {
	case SYS_read:
	case SYS_readv:
		return is_terminal(search, pid, call->arguments[0]);
	case SYS_poll:
	case SYS_ppoll:
		return polls(search, pid, call);
	case SYS_select:
	case SYS_pselect6:
		return selects(search, pid, call);
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
		return watches(search, pid, call);
	}
	return false;
}

/* -- tasks ------------------------------------------------------------------------------------ */

/* The state, process group and terminal of a task: behind the name, which may hold anything. */
static bool read_stat(const char *path, char *state, pid_t *group, dev_t *terminal)
{
	char text[512];
	const char *words[6] = { 0 };
	char *next;

	if (rf_io_read_file(path, text, sizeof(text)) < 0)
		return false;
	next = strrchr(text, ')');
	for (unsigned i = 0; i < 5 && next; i++) {
		next = strchr(next, ' ');
		words[i] = next ? ++next : NULL;
	}
	if (!words[4])
		return false;
	*state = *words[0];
	*group = (pid_t)strtol(words[2], NULL, 10);
	*terminal = (dev_t)strtol(words[4], NULL, 10);
	return true;
}

/* "0 0x0 0x7ffe..." or "running"; false for a task in no call, or one that may not be looked at. */
static bool read_call(const char *path, struct call *call, bool *is_hidden)
{
	char text[256];
	char *next = text;
	long got = rf_io_read_file(path, text, sizeof(text));

	*is_hidden = got == -EPERM || got == -EACCES;
	if (got <= 0 || text[0] < '0' || text[0] > '9')
		return false;
	call->number = strtol(next, &next, 10);
	for (unsigned i = 0; i < 2; i++)
		call->arguments[i] = strtoull(next, &next, 16);
	return true;
}

static bool search_task(struct search *search, pid_t pid, pid_t task)
{
	char stat_path[64], call_path[64];
	struct call call;
	dev_t terminal;
	pid_t group;
	bool is_hidden;
	char state;

	rf_format(stat_path, sizeof(stat_path), "/proc/%d/task/%d/stat", (int)pid, (int)task);
	rf_format(call_path, sizeof(call_path), "/proc/%d/task/%d/syscall", (int)pid, (int)task);
	if (!read_stat(stat_path, &state, &group, &terminal) || state != 'S')
		return false;
	/* in the background it would be stopped, if it were to read now */
	if (terminal == search->device && group != search->foreground)
		return false;
	if (read_call(call_path, &call, &is_hidden))
		return is_about_terminal(search, pid, &call);
	return is_hidden && terminal == search->device;
}

/* The tasks of a process, and then what they have started. */
static bool search_process(struct search *search, pid_t pid, unsigned generation)
{
	const struct dirent *entry;
	char path[48];
	bool found = false;
	DIR *tasks;

	if (generation > GENERATIONS_MAX)
		return false;
	rf_format(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while (!found && (entry = readdir(tasks)) != NULL && search->tasks < TASKS_MAX) {
		pid_t task = (pid_t)atoi(entry->d_name);

		if (task <= 0)
			continue;
		search->tasks++;
		found = search_task(search, pid, task) ||
			search_children(search, pid, task, generation + 1);
	}
	closedir(tasks);
	return found;
}

static bool search_children(struct search *search, pid_t pid, pid_t task, unsigned generation)
{
	char path[64], text[4096];
	char *next = text;
	pid_t child;
	long got;

	rf_format(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)task);
	got = rf_io_read_file(path, text, sizeof(text));
	if (got <= 0 && got != -EFBIG)
		return false;
	while ((child = (pid_t)strtol(next, &next, 10)) > 0)
		if (search_process(search, child, generation))
			return true;
	return false;
}

/* Where the kernel keeps no list of children there is the child alone, and without /proc nothing to
 * look at: then it reads, as far as anybody knows. */
static bool search_child(struct search *search, pid_t child)
{
	char path[48];

	rf_format(path, sizeof(path), "/proc/%d/stat", (int)child);
	return access(path, F_OK) < 0 || search_process(search, child, 0);
}

bool rf_pty_has_reader(const struct rf_pty *pty)
{
	struct search search = { 0 };
	struct stat status;
	int group = 0;

	if (fstat(pty->slave, &status) < 0 || rf_sys_ioctl(pty->slave, TIOCGPGRP, &group) < 0)
		return false;
	search.device = status.st_rdev;
	search.foreground = group;
	return search_children(&search, getpid(), getpid(), 0) ||
	       (!search.tasks && search_child(&search, pty->child));
}
