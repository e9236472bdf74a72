/* SPDX-License-Identifier: MIT */
/*
 * Signals, stops and the end of a child.  Called by session_relay.c.  No handler ever runs in a
 * session: all signals are blocked and read from two descriptors, so that those that may be many
 * can wait in the kernel's queue while the ghost does not read.
 */
#define _GNU_SOURCE
#include "server/session_signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rfork/io.h"
#include "rfork/report.h"
#include "rfork/sys.h"
#include "server/descriptor.h"

#define LAST_SIGNAL 64u
#define GENERATIONS_MAX 4096
/* Words of /proc/PID/stat, from 1. */
#define STATUS_NAME 2u
#define STATUS_PARENT 4u
#define STATUS_TERMINAL 7u
/* What the child sent before its end, or before a stop, is in the queue then; what its descendants add
 * cannot delay the news for ever. */
#define LATE_SIGNALS_MAX 65536u

enum pending { PENDING_CHILD, PENDING_TERMINATE, PENDING_OTHER };

void rf_signals_block(void)
{
	const uint64_t all = UINT64_MAX;

	rf_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
}

int rf_job_open(struct rf_job *job, pid_t child, pid_t listener, int urgent)
{
	sigset_t mask;

	*job = (struct rf_job){
		.child = child, .listener = listener, .urgent = urgent, .may_have_others = true
	};
	memset(&mask, 0xff, sizeof(mask)); /* sigfillset() leaves two out */
	sigdelset(&mask, SIGCHLD);
	sigdelset(&mask, SIGTERM);
	job->others = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return job->others < 0 ? -errno : 0;
}

void rf_job_close(struct rf_job *job)
{
	rf_descriptor_close(&job->others);
}

/* -- who has sent a signal -------------------------------------------------------------------- */

enum sender { SENDER_DESCENDANT, SENDER_GONE, SENDER_STRANGER };

/* A number of /proc/PID/stat behind the name, which may hold anything; -1 if the process is gone. */
static long read_status(pid_t pid, unsigned word)
{
	char path[40];
	char text[512];
	const char *at;

	rf_format(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (rf_io_read_file(path, text, sizeof(text)) < 0)
		return -1;
	at = strrchr(text, ')');
	for (; at && word > STATUS_NAME; word--)
		at = strchr(at + 1, ' ');
	return at ? strtol(at, NULL, 10) : -1;
}

static pid_t read_parent(pid_t pid)
{
	return (pid_t)read_status(pid, STATUS_PARENT);
}

/* A process that is just being reaped has the parent 0, and is gone at the second look. */
static pid_t parent_of(pid_t pid)
{
	pid_t parent = read_parent(pid);

	return parent ? parent : read_parent(pid);
}

/* Only processes have codes of 0 and less; the kernel's own signals are about us.  A parent-death signal
 * looks as if the listener had sent it, which may be gone by now. */
static enum sender find_sender(const struct rf_job *job, const struct signalfd_siginfo *info)
{
	pid_t session = getpid();
	pid_t pid = (pid_t)info->ssi_pid;

	if (info->ssi_code > 0 || pid <= 0 || pid == session || pid == job->listener)
		return SENDER_STRANGER;
	for (int i = 0; pid != job->child && i < GENERATIONS_MAX; i++) {
		pid = parent_of(pid);
		if (pid < 0)
			return SENDER_GONE;
		if (pid == session)
			return SENDER_DESCENDANT;
		if (pid <= 1)
			return SENDER_STRANGER;
	}
	return pid == job->child ? SENDER_DESCENDANT : SENDER_STRANGER;
}

static void keep(struct rf_job *job, enum pending place, const struct signalfd_siginfo *info)
{
	job->pending[place] = (struct rf_frame_signal){ .signal = info->ssi_signo,
							.code = info->ssi_code,
							.value = info->ssi_ptr };
}

/* Those who stop or end the session from outside are no descendants: a listener that has ended, an
 * administrator.  A sender of our own user that has vanished was a command of the child's. */
static unsigned take_one_urgent(struct rf_job *job, const struct signalfd_siginfo *info)
{
	enum pending place = info->ssi_signo == SIGCHLD ? PENDING_CHILD : PENDING_TERMINATE;
	enum sender sender;

	if (info->ssi_signo == SIGCHLD && info->ssi_code > 0)
		return 0; /* the kernel's word, and reap() asks for the same */
	sender = find_sender(job, info);
	if (sender == SENDER_DESCENDANT ||
	    (sender == SENDER_GONE && (place == PENDING_CHILD || info->ssi_uid == getuid()))) {
		/* One that is pending already takes in the next, as in the kernel. */
		if (job->pending[place].signal)
			return 0;
		keep(job, place, info);
		return RF_JOB_SIGNAL;
	}
	return place == PENDING_TERMINATE && (pid_t)info->ssi_pid != getpid() ? RF_JOB_TERMINATE
									      : 0;
}

bool rf_job_take_other(struct rf_job *job)
{
	struct signalfd_siginfo info;
	bool is_late = job->has_ended || job->stop_signal;

	while (job->may_have_others && !job->pending[PENDING_OTHER].signal) {
		if (is_late && job->late_signals == 0)
			return false;
		if (is_late)
			job->late_signals--;
		if (read(job->others, &info, sizeof(info)) != (ssize_t)sizeof(info))
			job->may_have_others = false;
		else if (find_sender(job, &info) != SENDER_STRANGER)
			keep(job, PENDING_OTHER, &info);
	}
	return job->pending[PENDING_OTHER].signal != 0;
}

bool rf_job_next_signal(struct rf_job *job, struct rf_frame_signal *signal)
{
	for (size_t i = 0; i < sizeof(job->pending) / sizeof(job->pending[0]); i++) {
		if (!job->pending[i].signal)
			continue;
		*signal = job->pending[i];
		job->pending[i].signal = 0;
		return true;
	}
	return false;
}

/* -- what the child has become ---------------------------------------------------------------- */

static unsigned note_stop(struct rf_job *job, unsigned signal)
{
	if (job->is_held && signal == SIGSTOP)
		return 0; /* ours */
	job->stop_signal = signal;
	/* a terminal of the node stops whole groups, too */
	if (signal != SIGSTOP && read_status(job->child, STATUS_TERMINAL) > 0)
		job->is_group_stopped = true;
	job->may_have_others = true;
	job->late_signals = LATE_SIGNALS_MAX;
	/* It went on and has stopped again before we looked: the ghost is told both. */
	job->tell_continued = job->is_stop_told;
	return RF_JOB_STOPPED;
}

static void note_continue(struct rf_job *job)
{
	job->stop_signal = 0;
	job->tell_continued = job->is_stop_told;
	/* Its ghost is still stopped. */
	if (job->is_held)
		kill(job->child, SIGSTOP);
}

static unsigned note_end(struct rf_job *job, int status)
{
	job->has_ended = true;
	job->status = status;
	job->stop_signal = 0;
	job->is_held = false;
	job->tell_continued = false; /* input wakes the ghost, whatever it is */
	job->awaits_wake = job->is_stop_told || job->awaits_wake;
	job->may_have_others = true;
	job->late_signals = LATE_SIGNALS_MAX;
	return RF_JOB_ENDED;
}

static unsigned note_status(struct rf_job *job, int status)
{
	if (WIFSTOPPED(status))
		return note_stop(job, (unsigned)WSTOPSIG(status));
	if (!WIFCONTINUED(status))
		return note_end(job, status);
	note_continue(job);
	return 0;
}

unsigned rf_job_reap(struct rf_job *job)
{
	unsigned news = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0)
		if (pid == job->child && !job->has_ended)
			news |= note_status(job, status);
	job->is_childless = pid < 0 && errno == ECHILD;
	return news;
}

/* First the signals: their senders may be among those that are reaped. */
unsigned rf_job_take_urgent(struct rf_job *job)
{
	struct signalfd_siginfo info;
	unsigned news = 0;

	while (read(job->urgent, &info, sizeof(info)) == (ssize_t)sizeof(info))
		news |= take_one_urgent(job, &info);
	return news | rf_job_reap(job);
}

/* -- the ghost -------------------------------------------------------------------------------- */

/* The child's process group, or 0 if it is in ours, which must not get its signals. */
static pid_t group_of(pid_t child)
{
	pid_t group = getpgid(child);

	return group <= 0 || group == getpgrp() ? 0 : group;
}

/* Whether a signal is for all of the group: one of a terminal, or the end of a stop by such a one.  What
 * stopped the child alone has nothing to do with its own children, which may be stopped as well. */
static bool is_for_group(struct rf_job *job, const struct rf_frame_signal *signal)
{
	bool was_group_stopped = job->is_group_stopped;

	if (signal->signal == SIGCONT) {
		job->is_group_stopped = false;
		return was_group_stopped || signal->code == SI_KERNEL;
	}
	if (signal->code != SI_KERNEL)
		return false;
	job->is_group_stopped = signal->signal == SIGTSTP || signal->signal == SIGTTIN ||
				signal->signal == SIGTTOU || was_group_stopped;
	return true;
}

int rf_job_send(struct rf_job *job, const struct rf_frame_signal *signal)
{
	siginfo_t info = { .si_signo = (int)signal->signal, .si_code = signal->code };
	pid_t group = 0;

	if (signal->signal == 0 || signal->signal > LAST_SIGNAL || signal->signal == SIGKILL ||
	    signal->signal == SIGSTOP)
		return -EBADMSG;
	if (job->has_ended)
		return 0;
	if (is_for_group(job, signal))
		group = group_of(job->child);
	/* A full queue of the child drops it, as it would drop the sender's. */
	if (group) {
		(void)kill(-group, (int)signal->signal);
	} else if (signal->code >= 0 || signal->code == SI_TKILL) {
		(void)kill(job->child, (int)signal->signal);
	} else {
		info.si_pid = getpid();
		info.si_uid = getuid();
		info.si_value.sival_ptr = (void *)(uintptr_t)signal->value;
		(void)rf_syscall(SYS_rt_sigqueueinfo, job->child, signal->signal, &info);
	}
	return 0;
}

void rf_job_resume(struct rf_job *job)
{
	pid_t group = group_of(job->child);

	if (job->has_ended || !job->stop_signal || job->is_stop_told)
		return;
	job->stop_signal = 0;
	/* also for those that it has started; it goes on being held for its ghost's sake */
	(void)kill(group ? -group : job->child, SIGCONT);
}

void rf_job_heard(struct rf_job *job)
{
	job->awaits_wake = false;
	job->is_ping_sent = false;
	if (!job->is_held)
		return;
	job->is_held = false;
	/* It stays stopped if somebody else has stopped it too. */
	if (!job->has_ended && !job->stop_signal)
		kill(job->child, SIGCONT);
}

bool rf_job_is_silent(struct rf_job *job, bool is_acknowledged)
{
	bool may_hold = !job->has_ended && !job->stop_signal && !job->is_held;

	if (may_hold && job->is_ping_sent && is_acknowledged) {
		job->is_held = true;
		kill(job->child, SIGSTOP);
	}
	/* What woke the ghost may have come while it was about to stop: until it answers. */
	if (job->awaits_wake)
		job->is_ping_sent = true;
	else if (!may_hold || job->is_ping_sent)
		return false;
	job->is_ping_sent = true;
	return true;
}
