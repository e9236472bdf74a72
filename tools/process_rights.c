/* SPDX-License-Identifier: MIT */
/*
 * What a stopped process may do, and that its threads may do the same: an executable has one set of
 * rights, its main thread's.  Called by process_reader.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "rfork/io.h"
#include "rfork/rights.h"
#include "tools/process_internal.h"

#define STATUS_BYTES 8192

/* Of one thread, as its status says. */
struct thread_rights {
	uint64_t user, group, seccomp;
	uint64_t permitted, effective, inheritable, bounding, ambient;
};

static bool read_thread(const struct rf_process *process, pid_t tid, struct thread_rights *rights)
{
	char name[48], status[STATUS_BYTES];

	memset(rights, 0, sizeof(*rights));
	rf_format(name, sizeof(name), "task/%d/status", (int)tid);
	if (rf_process_read(process->tracees.pid, name, status, sizeof(status)) < 0)
		return false;
	rf_process_status_number(status, "\nSeccomp:", 0, 10, &rights->seccomp); /* or none */
	return rf_process_status_number(status, "\nUid:", 1, 10, &rights->user) &&
	       rf_process_status_number(status, "\nGid:", 1, 10, &rights->group) &&
	       rf_process_status_number(status, "\nCapInh:", 0, 16, &rights->inheritable) &&
	       rf_process_status_number(status, "\nCapPrm:", 0, 16, &rights->permitted) &&
	       rf_process_status_number(status, "\nCapEff:", 0, 16, &rights->effective) &&
	       rf_process_status_number(status, "\nCapBnd:", 0, 16, &rights->bounding) &&
	       rf_process_status_number(status, "\nCapAmb:", 0, 16, &rights->ambient);
}

static int compare(const struct rf_process *process, pid_t tid, const struct thread_rights *first,
		   const struct thread_rights *other, struct rf_report *report)
{
	const char *what = NULL;

	if (other->seccomp)
		what = "a seccomp filter, which an executable would not have";
	else if (other->user != first->user || other->group != first->group)
		what = "another user or group than the main thread";
	else if (other->permitted != first->permitted || other->effective != first->effective ||
		 other->inheritable != first->inheritable || other->bounding != first->bounding ||
		 other->ambient != first->ambient)
		what = "other capabilities than the main thread";
	return what ? rf_report(report, ENOTSUP, "thread %d of process %d has %s", (int)tid,
				(int)process->tracees.pid, what)
		    : 0;
}

static int compare_threads(const struct rf_process *process, const struct thread_rights *first,
			   struct rf_report *report)
{
	int error = 0;

	for (size_t i = 1; i < process->tracees.count && error == 0; i++) {
		pid_t tid = process->tracees.threads[i].tid;
		struct thread_rights other;

		error = read_thread(process, tid, &other)
				? compare(process, tid, first, &other, report)
				: rf_report(report, EPROTO, "/proc/%d/task/%d/status: %m",
					    (int)process->tracees.pid, (int)tid);
	}
	return error;
}

static uint32_t read_user_namespace(pid_t pid)
{
	struct stat status;
	char path[48];

	rf_format(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	return stat(path, &status) == 0 ? (uint32_t)status.st_ino : 0;
}

/* Its root directory is ours: a process with another one is refused. */
static void keep(struct rf_process *process, const struct thread_rights *first)
{
	struct rf_image *image = &process->source->image;
	struct rf_image_rights own;

	rf_rights_collect(&own);
	image->rights = (struct rf_image_rights){
		.permitted = first->permitted,
		.effective = first->effective,
		.bounding = first->bounding,
		.root_device = own.root_device,
		.root_inode = own.root_inode,
		.user_namespace = read_user_namespace(process->tracees.pid),
	};
	rf_rights_bound(&image->rights, first->user == 0);
	image->has_rights = rf_rights_are_limited(&image->rights);
}

int rf_process_read_rights(struct rf_process *process, struct rf_report *report)
{
	struct thread_rights first;
	int error;

	if (!read_thread(process, process->tracees.pid, &first))
		return rf_report(report, EPROTO, "/proc/%d/status: %m", (int)process->tracees.pid);
	error = compare_threads(process, &first, report);
	if (error == 0)
		keep(process, &first);
	return error;
}
