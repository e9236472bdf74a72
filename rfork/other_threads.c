/* SPDX-License-Identifier: MIT */
/*
 * Lists other threads from /proc/self/task.  Called by move.c and hold.c, in the caller.
 */
#define _GNU_SOURCE
#include "rfork/other_threads.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"

/* A flag in /proc/PID/stat, set before pthread_join() may return.  Source: Linux,
 * include/linux/sched.h. */
#define TASK_IS_EXITING 0x4u

/* Fields of /proc/PID/stat behind the name, numbered as in proc_pid_stat(5). */
#define FIELD_AFTER_NAME 3
#define FIELD_FLAGS 9

struct thread {
	const char *tid;
	char name[32];
	bool is_exiting;
};

/* False if it is no more. */
static bool look_up(struct thread *thread)
{
	char path[64], text[1024];
	char *name, *next;

	rf_format(path, sizeof(path), "/proc/self/task/%s/stat", thread->tid);
	if (rf_io_read_file(path, text, sizeof(text)) < 0)
		return false;
	name = strchr(text, '(');
	next = strrchr(text, ')'); /* the name may hold anything */
	if (!name || !next)
		return true;
	*next++ = '\0';
	rf_format(thread->name, sizeof(thread->name), "%s", name + 1);
	for (int field = FIELD_AFTER_NAME; next && field <= FIELD_FLAGS; field++) {
		next = strchr(next, ' ');
		next += next != NULL;
	}
	thread->is_exiting = next && strtoul(next, NULL, 10) & TASK_IS_EXITING;
	return true;
}

/* What /proc calls the calling thread and its process: it may be of another PID namespace. */
static int find_self(long *leader, long *self)
{
	char text[64], *end;
	long length =
		rf_syscall(SYS_readlinkat, AT_FDCWD, "/proc/thread-self", text, sizeof(text) - 1);

	if (length < 0)
		return (int)length;
	text[length] = '\0';
	*leader = strtol(text, &end, 10);
	end = strrchr(end, '/');
	if (!end)
		return -EPROTO;
	*self = strtol(end + 1, NULL, 10);
	return 0;
}

int rf_other_threads(void (*found)(void *context, const char *tid, const char *name), void *context)
{
	char buffer[4096] __attribute__((aligned(8)));
	long self = 0, leader = 0, got;
	int error = find_self(&leader, &self);
	int directory =
		error < 0 ? error
			  : rf_sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return directory;
	while ((got = rf_syscall(SYS_getdents64, directory, buffer, sizeof(buffer))) > 0)
		for (long at = 0; at < got;) {
			const struct dirent64 *entry = (struct dirent64 *)(buffer + at);
			struct thread thread = { .tid = entry->d_name };
			long tid = strtol(entry->d_name, NULL, 10);

			at += entry->d_reclen;
			if (entry->d_name[0] != '.' && tid != self && look_up(&thread) &&
			    (!thread.is_exiting || tid == leader))
				found(context, thread.tid, thread.name);
		}
	rf_sys_close(directory);
	return (int)got;
}
