/* SPDX-License-Identifier: MIT */
/*
 * Which processes can be undumped at all, as far as /proc tells.  Called by process_reader.c before
 * it stops one, and again once it stands still.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rfork/io.h"
#include "tools/process_internal.h"

#define STATUS_BYTES 8192
#define KERNEL_THREAD 0x00200000u /* PF_KTHREAD, include/linux/sched.h */

bool rf_process_status_number(const char *status, const char *label, int nth, int base,
			      uint64_t *number)
{
	const char *found = strstr(status, label);
	char *end;

	if (!found)
		return false;
	found += strlen(label);
	for (int i = 0; i <= nth; i++, found = end) {
		*number = strtoull(found, &end, base);
		if (end == found)
			return false;
	}
	return true;
}

/* -- what it is -------------------------------------------------------------------------------- */

static bool is_kernel_thread(pid_t pid)
{
	char text[1024], *next;

	if (rf_process_read(pid, "stat", text, sizeof(text)) < 0)
		return false;
	next = strrchr(text, ')'); /* the name before it may hold anything */
	for (int field = 2; next && field < 9; field++)
		next = strchr(next + 1, ' ');
	return next && strtoul(next, NULL, 10) & KERNEL_THREAD;
}

static int check_kind(pid_t pid, const char *status, struct rf_report *report)
{
	const char *state = strstr(status, "\nState:\t");
	uint64_t leader = (uint64_t)pid;

	rf_process_status_number(status, "\nTgid:", 0, 10, &leader);
	if (leader != (uint64_t)pid)
		return rf_report(report, EINVAL, "%d is a thread of process %lu", (int)pid, leader);
	if (is_kernel_thread(pid))
		return rf_report(report, EINVAL, "process %d is a thread of the kernel", (int)pid);
	if (state && strchr("ZXx", state[sizeof("\nState:\t") - 1]))
		return rf_report(report, EINVAL, "the main thread of process %d has ended",
				 (int)pid);
	return 0;
}

/* -- whose it is ------------------------------------------------------------------------------- */

static int check_ids(pid_t pid, const char *status, const char *label, const char *what,
		     struct rf_report *report)
{
	uint64_t first, other;

	if (!rf_process_status_number(status, label, 0, 10, &first))
		return 0;
	for (int i = 1; i < 4; i++)
		if (rf_process_status_number(status, label, i, 10, &other) && other != first)
			return rf_report(
				report, ENOTSUP,
				"process %d has several %s ids (%lu and %lu), as after setuid: it cannot be restarted with them",
				(int)pid, what, first, other);
	return 0;
}

static int check_sandbox(pid_t pid, const char *status, struct rf_report *report)
{
	const char *features = strstr(status, "\nx86_Thread_features:");
	uint64_t value;

	if (rf_process_status_number(status, "\nSeccomp:", 0, 10, &value) && value)
		return rf_report(
			report, ENOTSUP,
			"process %d has a seccomp filter, which an executable would not have",
			(int)pid);
	if (features && strncmp(strchrnul(features + 1, '\n') - 6, " shstk", 6) == 0)
		return rf_report(report, ENOTSUP, "process %d has a shadow stack", (int)pid);
	return 0;
}

/* Names mean the same only where the same files and processes are seen. */
static int check_namespaces(pid_t pid, struct rf_report *report)
{
	static const char *const names[][2] = { { "mnt", "mount" }, { "pid", "process" } };
	char path[64], own[64];
	struct stat theirs, ours;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		rf_format(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, names[i][0]);
		rf_format(own, sizeof(own), "/proc/self/ns/%s", names[i][0]);
		if (stat(path, &theirs) == 0 && stat(own, &ours) == 0 &&
		    (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev))
			return rf_report(report, ENOTSUP,
					 "process %d is in another %s namespace: run undump there",
					 (int)pid, names[i][1]);
	}
	rf_format(path, sizeof(path), "/proc/%d/root", (int)pid);
	if (stat(path, &theirs) == 0 && stat("/", &ours) == 0 &&
	    (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev))
		return rf_report(report, ENOTSUP,
				 "process %d has another root directory: run undump there",
				 (int)pid);
	return 0;
}

/* A child of vfork(2), or of clone(2) with its flags, which uses its parent's memory. */
static int check_sharing(pid_t pid, const char *status, struct rf_report *report)
{
	uint64_t parent;

	if (rf_process_status_number(status, "\nPPid:", 0, 10, &parent) && parent &&
	    syscall(SYS_kcmp, pid, (pid_t)parent, KCMP_VM, 0, 0) == 0)
		return rf_report(report, ENOTSUP, "process %d shares its memory with process %lu",
				 (int)pid, parent);
	return 0;
}

int rf_process_check(pid_t pid, bool is_held, struct rf_report *report)
{
	char status[STATUS_BYTES];
	uint64_t tracer;
	int error = 0;

	if (pid <= 0)
		return rf_report(report, EINVAL, "%d is no process id", (int)pid);
	if (pid == getpid())
		return rf_report(report, EINVAL, "process %d is undump itself", (int)pid);
	if (pid == 1)
		return rf_report(report, EINVAL, "process 1 is the first one of the system");
	if (rf_process_read(pid, "status", status, sizeof(status)) < 0)
		return rf_report(report, ESRCH, "there is no process %d", (int)pid);
	error = check_kind(pid, status, report);
	if (error == 0 && !is_held &&
	    rf_process_status_number(status, "\nTracerPid:", 0, 10, &tracer) && tracer)
		return rf_report(report, EPERM, "process %d is traced by process %lu already",
				 (int)pid, tracer);
	if (error == 0)
		error = check_ids(pid, status, "\nUid:", "user", report);
	if (error == 0)
		error = check_ids(pid, status, "\nGid:", "group", report);
	if (error == 0)
		error = check_sandbox(pid, status, report);
	if (error == 0)
		error = check_namespaces(pid, report);
	return error < 0 || !is_held ? error : check_sharing(pid, status, report);
}

/* -- rights ------------------------------------------------------------------------------------ */

int rf_process_explain_refusal(pid_t pid, struct rf_report *report)
{
	char status[STATUS_BYTES] = "", scope[16] = "0";
	uint64_t user = geteuid();
	struct stat memory;
	char path[32];

	report->error = 0; /* what ptrace(2) says tells nobody what to do */
	rf_format(path, sizeof(path), "/proc/%d/mem", (int)pid); /* root's, if it is forbidden */
	rf_process_read(pid, "status", status, sizeof(status));
	rf_process_status_number(status, "\nUid:", 0, 10, &user);
	rf_io_read_file("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (geteuid() != 0 && user != geteuid())
		return rf_report(report, EPERM,
				 "process %d is of user %lu: only that user or root may undump it",
				 (int)pid, user);
	if (geteuid() != 0 && stat(path, &memory) == 0 && memory.st_uid != user)
		return rf_report(
			report, EPERM,
			"process %d may not be looked at, for it has changed its rights or forbids it (prctl PR_SET_DUMPABLE): run undump as root",
			(int)pid);
	if (scope[0] == '1')
		return rf_report(
			report, EPERM,
			"this system lets only its parent stop process %d (kernel.yama.ptrace_scope is 1): run undump as root, set that to 0, or let the program call prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)",
			(int)pid);
	if (scope[0] == '2')
		return rf_report(
			report, EPERM,
			"this system lets only root stop process %d (kernel.yama.ptrace_scope is 2): run undump as root",
			(int)pid);
	if (scope[0] == '3')
		return rf_report(
			report, EPERM,
			"this system lets nobody stop process %d (kernel.yama.ptrace_scope is 3) until it is booted anew",
			(int)pid);
	return rf_report(
		report, EPERM,
		"process %d may not be stopped by us: run undump as root, with the capability SYS_PTRACE",
		(int)pid);
}
