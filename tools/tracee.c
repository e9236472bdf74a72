/* SPDX-License-Identifier: MIT */
/*
 * Stops and releases the threads of another process.  Called by the process_*.c files.
 * Sources: ptrace(2); Linux, kernel/ptrace.c and kernel/signal.c.
 */
#define _GNU_SOURCE
#include "tools/tracee.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/io.h"

#define SECOND_NS INT64_C(1000000000)
#define LOOK_NS INT64_C(2000000)

/* -- waiting ----------------------------------------------------------------------------------- */

/* The kernel tells stops by SIGCHLD, which is blocked and waited for: so there can be a deadline.
 * Another thread of ours may get the signal instead, hence not for long. */
static int await_news(int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns - rf_io_now_ns();
	struct timespec left;
	sigset_t set;

	if (left_ns <= 0)
		return -ETIMEDOUT;
	if (left_ns > LOOK_NS)
		left_ns = LOOK_NS;
	left = (struct timespec){ .tv_sec = left_ns / SECOND_NS, .tv_nsec = left_ns % SECOND_NS };
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigtimedwait(&set, NULL, &left); /* whatever it says, the caller looks again */
	return 0;
}

int rf_tracee_await(struct rf_tracees *tracees, const struct rf_tracee *thread)
{
	int status;

	for (;;) {
		pid_t got = waitpid(thread->tid, &status, __WALL | WNOHANG);

		if (got < 0 && errno != EINTR)
			return -ESRCH;
		if (got > 0)
			return WIFSTOPPED(status) ? status : -ESRCH;
		if (got == 0 && await_news(tracees->deadline_ns) < 0)
			return -ETIMEDOUT;
	}
}

static bool is_event(int status, int event)
{
	return status >> 16 == event;
}

/* Until it stands still; a signal that is on its way to it arrives first. */
static int await_stop(struct rf_tracees *tracees, struct rf_tracee *thread)
{
	for (;;) {
		int status = rf_tracee_await(tracees, thread);

		if (status < 0)
			return status;
		if (!tracees->stopped_ns)
			tracees->stopped_ns = rf_io_now_ns();
		if (is_event(status, PTRACE_EVENT_STOP)) {
			thread->is_stopped = true;
			return 0;
		}
		if (ptrace(PTRACE_CONT, thread->tid, NULL, (long)WSTOPSIG(status)) < 0 &&
		    errno != ESRCH)
			return -errno;
	}
}

/* -- stopping ---------------------------------------------------------------------------------- */

static bool is_known(const struct rf_tracees *tracees, pid_t tid)
{
	for (size_t i = 0; i < tracees->count; i++)
		if (tracees->threads[i].tid == tid)
			return true;
	return false;
}

static void forget(struct rf_tracees *tracees, size_t index)
{
	tracees->count--;
	memmove(&tracees->threads[index], &tracees->threads[index + 1],
		(tracees->count - index) * sizeof(*tracees->threads));
}

static int add(struct rf_tracees *tracees, pid_t tid, struct rf_report *report)
{
	struct rf_tracee *threads;

	if (tracees->count == RF_IMAGE_MAX_THREADS)
		return rf_report(report, ENOTSUP, "process %d has more than %u threads",
				 (int)tracees->pid, RF_IMAGE_MAX_THREADS);
	threads = reallocarray(tracees->threads, tracees->count + 1, sizeof(*threads));
	if (!threads)
		return rf_report(report, ENOMEM, "no memory for the list of threads");
	tracees->threads = threads;
	threads[tracees->count++] = (struct rf_tracee){ .tid = tid, .is_seized = true };
	return 0;
}

/* 1 if the thread is new and was seized, 0 if it has ended or is known, or a negative errno. */
static int seize(struct rf_tracees *tracees, pid_t tid, struct rf_report *report)
{
	int error;

	if (is_known(tracees, tid))
		return 0;
	if (ptrace(PTRACE_SEIZE, tid, NULL, PTRACE_O_TRACESYSGOOD) < 0) {
		error = errno;
		/* a thread that has ended cannot be seized; neither can one that is not ours */
		if (tid != tracees->pid && (error == ESRCH || error == EPERM))
			return 0;
		return rf_report(report, error, "process %d: %m", (int)tid);
	}
	error = add(tracees, tid, report);
	if (error < 0)
		return error;
	return ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 ? 0 : 1;
}

/* Seizes the threads that are not yet; how many, or a negative errno with a report. */
static int seize_new(struct rf_tracees *tracees, struct rf_report *report)
{
	char path[32];
	struct dirent *entry;
	int count = 0, result = 0;
	DIR *directory;

	rf_format(path, sizeof(path), "/proc/%d/task", (int)tracees->pid);
	directory = opendir(path);
	if (!directory)
		return rf_report(report, errno, "%s: %m", path);
	while (result >= 0 && (entry = readdir(directory))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		result = seize(tracees, (pid_t)atoi(entry->d_name), report);
		count += result > 0;
	}
	closedir(directory);
	return result < 0 ? result : count;
}

/* What is known of a thread that does not stop, or ends. */
static int report_thread(struct rf_tracees *tracees, const struct rf_tracee *thread, int error,
			 struct rf_report *report)
{
	char path[64], name[32] = "", where[64] = "";

	rf_format(path, sizeof(path), "/proc/%d/task/%d/comm", (int)tracees->pid, (int)thread->tid);
	if (rf_io_read_file(path, name, sizeof(name)) > 0)
		name[strcspn(name, "\n")] = '\0';
	rf_format(path, sizeof(path), "/proc/%d/task/%d/wchan", (int)tracees->pid,
		  (int)thread->tid);
	if (rf_io_read_file(path, where, sizeof(where)) <= 0 || where[0] == '0')
		strcpy(where, "the kernel");
	if (error == -ETIMEDOUT)
		return rf_report(
			report, ETIMEDOUT,
			"thread %d (%s) of process %d did not stop within %d ms: it waits in %s",
			(int)thread->tid, name, (int)tracees->pid, tracees->timeout_ms, where);
	if (error == -ESRCH)
		return rf_report(report, ESRCH, "process %d ended while it was being stopped",
				 (int)tracees->pid);
	return rf_report(report, -error, "thread %d (%s) of process %d: %m", (int)thread->tid, name,
			 (int)tracees->pid);
}

/* Waits for all that were told to stop; those that end meanwhile are forgotten. */
static int await_all(struct rf_tracees *tracees, struct rf_report *report)
{
	for (size_t i = 0; i < tracees->count;) {
		struct rf_tracee *thread = &tracees->threads[i];
		int error = thread->is_stopped ? 0 : await_stop(tracees, thread);

		if (error == -ESRCH && i > 0) {
			forget(tracees, i);
			continue;
		}
		if (error < 0)
			return report_thread(tracees, thread, error, report);
		i++;
	}
	return 0;
}

/* Once no new thread is found, all that there are stand still, and none can begin. */
static int stop_threads(struct rf_tracees *tracees, struct rf_report *report)
{
	int found = seize(tracees, tracees->pid, report); /* comes first */
	int error;

	while (found >= 0) {
		found = seize_new(tracees, report);
		if (found < 0)
			return found;
		error = await_all(tracees, report);
		if (error < 0 || found == 0)
			return error;
	}
	return found;
}

static int open_memory(struct rf_tracees *tracees, struct rf_report *report)
{
	char path[32];

	rf_format(path, sizeof(path), "/proc/%d/mem", (int)tracees->pid);
	tracees->memory_fd = rf_io_above_stdio(open(path, O_RDWR | O_CLOEXEC));
	if (tracees->memory_fd < 0)
		return rf_report(report, errno, "%s: %m", path);
	return 0;
}

int rf_tracee_stop_all(struct rf_tracees *tracees, pid_t pid, int timeout_ms,
		       struct rf_report *report)
{
	sigset_t set;
	int error;

	*tracees = (struct rf_tracees){ .pid = pid, .memory_fd = -1, .timeout_ms = timeout_ms };
	tracees->deadline_ns = rf_io_deadline_ns(timeout_ms);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &tracees->caller_mask);
	tracees->is_mask_changed = true;
	error = stop_threads(tracees, report);
	if (error == 0)
		error = open_memory(tracees, report);
	if (error < 0)
		rf_tracee_release_all(tracees);
	return error;
}

/* -- releasing --------------------------------------------------------------------------------- */

/* From whatever stop: the kernel looks for signals and for calls that are to be made again, as if
 * the thread had not been stopped; and it stops it again if its process is stopped.  What was
 * killed meanwhile is reaped. */
static void release(struct rf_tracees *tracees, struct rf_tracee *thread)
{
	rf_tracee_end_calls(tracees, thread);
	if (ptrace(PTRACE_DETACH, thread->tid, NULL, NULL) < 0)
		waitpid(thread->tid, NULL, __WALL | WNOHANG);
}

int64_t rf_tracee_release_all(struct rf_tracees *tracees)
{
	int64_t held_ns;

	/* a call that is put back must not be cut short */
	tracees->deadline_ns = rf_io_deadline_ns(tracees->timeout_ms);
	for (size_t i = 0; i < tracees->count; i++)
		release(tracees, &tracees->threads[i]);
	held_ns = tracees->stopped_ns ? rf_io_now_ns() - tracees->stopped_ns : 0;
	if (tracees->memory_fd >= 0)
		close(tracees->memory_fd);
	if (tracees->is_mask_changed)
		sigprocmask(SIG_SETMASK, &tracees->caller_mask, NULL);
	free(tracees->threads);
	*tracees = (struct rf_tracees){ .memory_fd = -1 };
	return held_ns;
}

/* -- registers and memory ---------------------------------------------------------------------- */

int rf_tracee_read_registers(struct rf_tracees *tracees, struct rf_tracee *thread,
			     struct rf_report *report)
{
	struct iovec piece = { &thread->registers, sizeof(thread->registers) };

	if (ptrace(PTRACE_GETREGSET, thread->tid, NT_PRSTATUS, &piece) < 0)
		return rf_report(report, errno, "registers of thread %d: %m", (int)thread->tid);
	if (piece.iov_len != sizeof(thread->registers))
		return rf_report(report, ENOEXEC, "process %d runs code of another architecture",
				 (int)tracees->pid);
	if (ptrace(PTRACE_GETSIGMASK, thread->tid, sizeof(thread->signal_mask),
		   &thread->signal_mask) < 0)
		return rf_report(report, errno, "signal mask of thread %d: %m", (int)thread->tid);
	return 0;
}

long rf_tracee_read_xsave(struct rf_tracees *tracees, const struct rf_tracee *thread,
			  unsigned char *xsave, size_t bytes, struct rf_report *report)
{
	struct iovec piece = { xsave, bytes };

	(void)tracees;
	if (ptrace(PTRACE_GETREGSET, thread->tid, NT_X86_XSTATE, &piece) < 0)
		return rf_report(report, errno, "vector state of thread %d: %m", (int)thread->tid);
	if (piece.iov_len == bytes)
		return rf_report(report, ENOTSUP, "vector state of thread %d: more than %zu bytes",
				 (int)thread->tid, bytes);
	return (long)piece.iov_len;
}

int rf_tracee_read(const struct rf_tracees *tracees, uint64_t address, void *buffer, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t got = pread(tracees->memory_fd, (char *)buffer + done, bytes - done,
				    (off_t)(address + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}
