/* SPDX-License-Identifier: MIT */
/*
 * The public calls about checkpoints: make a holder, and talk to it.  The holder itself is
 * holder.c.
 */
#define _GNU_SOURCE
#include "rfork/checkpoint.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "rfork/arrival.h"
#include "rfork/hold.h"
#include "rfork/hooks.h"
#include "rfork/io.h"
#include "rfork/move.h"
#include "rfork/state.h"
#include "rfork/sys.h"

#define KNOWN_FLAGS                                                                                \
	(RFORK_SELF_CONTAINED | RFORK_COPY_FILES | RFORK_CLOSE_OTHERS | RFORK_INCREMENTAL |        \
	 RFORK_THIS_THREAD)

/* -- hold ------------------------------------------------------------------------------------- */

static rfork_crid_t hold_returns_twice(unsigned flags, uint64_t signal_mask,
				       const struct rf_machine_facts *facts,
				       struct rf_report *report)
{
	struct rf_held *held = rf_held_add();
	rfork_crid_t crid;
	int result;

	if (!held)
		return rf_report(report, EAGAIN, "%u checkpoints are held: discard one",
				 RF_HELD_MAX);
	crid = held->crid;
	result = rf_hold_returns_twice(held, flags, signal_mask, facts, report);
	if (result == 0)
		return 0; /* restored: the checkpoint is another process's */
	held->is_claimed = false;
	if (result > 0)
		return crid;
	rf_held_drop(held);
	return result;
}

/* With the process as the program's own functions have left it. */
static rfork_crid_t take_returns_twice(unsigned flags, struct rf_report *report)
{
	const struct rf_machine_facts *facts;
	rfork_crid_t crid;
	uint64_t mask;
	int error;

	facts = rf_state_facts(&error);
	if (!facts)
		return rf_report(report, -error, "the facts of this machine: %m");
	error = rf_state_watch_forks();
	if (error < 0)
		return rf_report(report, -error, "pthread_atfork: %m");
	mask = rf_move_block_signals();
	rf_state_lock();
	crid = hold_returns_twice(flags, mask, facts, report);
	if (crid == 0)
		return 0; /* restored: with the mask, and a lock that is open */
	rf_state_unlock();
	rf_move_restore_signals(mask);
	return crid;
}

rfork_crid_t rf_checkpoint_returns_twice(unsigned flags, struct rf_report *report)
{
	rfork_crid_t crid;
	uint64_t last_hook;
	int error;

	if (flags & ~KNOWN_FLAGS)
		return rf_report(report, EINVAL, "flags 0x%x are not known", flags & ~KNOWN_FLAGS);
	error = rf_hooks_prepare(&last_hook, report);
	if (error < 0)
		return error;
	crid = take_returns_twice(flags, report);
	if (crid == 0)
		rf_hooks_child(last_hook);
	else
		rf_hooks_parent(last_hook);
	return crid;
}

/* A thread that is cancelled half-way would leave its holder behind. */
rfork_crid_t rfork_checkpoint(unsigned flags)
{
	struct rf_report report = { 0 };
	rfork_crid_t crid;
	int state, unused;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	crid = rf_checkpoint_returns_twice(flags, &report);
	pthread_setcancelstate(state, &unused);
	if (crid > 0)
		rf_keep_warnings("", 0);
	return crid < 0 ? rf_fail(&report) : crid;
}

/* -- commit ----------------------------------------------------------------------------------- */

struct rf_held *rf_checkpoint_claim(rfork_crid_t crid, struct rf_report *report)
{
	struct rf_held *held;

	rf_state_lock();
	held = rf_held_find(crid);
	if (!held)
		rf_report(report, EINVAL, "there is no checkpoint %ld", crid);
	else if (held->owner != (pid_t)rf_syscall(SYS_getpid))
		rf_report(report, ECHILD, "checkpoint %ld is held by process %d, not by its child",
			  crid, (int)held->owner);
	else if (held->is_claimed)
		rf_report(report, EBUSY, "another thread uses checkpoint %ld", crid);
	else
		held->is_claimed = true;
	rf_state_unlock();
	return report->error ? NULL : held;
}

static void release(struct rf_held *held)
{
	rf_state_lock();
	held->is_claimed = false;
	rf_state_unlock();
}

/* The holder takes that for the end of its checkpoint. */
static int report_closed(const struct rf_held *held, struct rf_report *report)
{
	return rf_report(report, ECONNRESET,
			 "checkpoint %ld: the program has closed the descriptor that held it",
			 held->crid);
}

/* Hears how a commit that is under way has ended, if nobody has yet. */
static int hear_end(struct rf_held *held, int64_t deadline_ns)
{
	bool is_open = rf_kept_fd_is_open(&held->control);
	int error = 0;
	int chain = -1;

	if (!held->has_ended && is_open)
		error = rf_io_wait(held->control.fd, POLLIN, deadline_ns);
	if (error < 0 || held->has_ended)
		return error;
	rf_state_lock(); /* a descriptor comes along */
	held->outcome = (struct rf_report){ 0 };
	if (!is_open)
		report_closed(held, &held->outcome);
	else
		rf_hold_hear(held->control.fd, RF_HOLDER_WRITTEN, &chain, &held->outcome);
	held->has_ended = true;
	if (chain >= 0)
		rf_increment_written(held->crid, chain);
	rf_state_unlock();
	return 0;
}

/* A checkpoint builds on the one before only if that is written: waits for it. */
static void await_parent(const struct rf_held *held)
{
	struct rf_report unheard = { 0 };
	struct rf_held *parent = NULL;

	if (held->increment.parent)
		parent = rf_checkpoint_claim(held->increment.parent, &unheard);
	if (!parent)
		return;
	if (parent->is_writing)
		hear_end(parent, RF_NO_DEADLINE);
	release(parent);
}

/* With the descriptors of what it can build on. */
static int send_command(const struct rf_held *held, struct rf_holder_command *command, int fd)
{
	int fds[RF_HOLDER_MAX_FDS] = { fd };
	size_t count = 1;
	int chain = rf_increment_chain(&held->increment);

	if (chain >= 0) {
		command->flags |= RF_HOLDER_HAS_CHAIN;
		fds[count++] = chain;
	}
	if (chain >= 0 && rf_kept_fd_is_open(&held->increment.changes)) {
		command->flags |= RF_HOLDER_HAS_CHANGES;
		fds[count++] = held->increment.changes.fd;
	}
	return rf_holder_send(held->control.fd, command, sizeof(*command), fds, count);
}

static int refuse_second(const struct rf_held *held, struct rf_report *report)
{
	if (held->is_writing)
		return rf_report(report, EBUSY,
				 "checkpoint %ld: rfork_commit_wait() has not told yet how the "
				 "commit before ended",
				 held->crid);
	return 0;
}

int rf_checkpoint_command(struct rf_held *held, struct rf_holder_command *command, int fd,
			  struct rf_report *report)
{
	int error;

	if (!rf_kept_fd_is_open(&held->control))
		return report_closed(held, report);
	error = send_command(held, command, fd);
	if (error < 0 && error != -EPIPE && error != -ECONNRESET)
		return rf_report(report, -error, "passing descriptor %d: %m", fd);
	error = rf_hold_hear(held->control.fd, RF_HOLDER_BEGUN, NULL, report);
	held->is_writing = error == 0;
	held->has_ended = false;
	return error;
}

static int commit(struct rf_held *held, int fd, struct rf_report *report)
{
	struct rf_holder_command command = { .kind = RF_HOLDER_COMMIT };
	int error = refuse_second(held, report);

	if (error < 0)
		return error;
	if (rf_syscall(SYS_fcntl, fd, F_GETFD) < 0)
		return rf_report(report, EBADF, "descriptor %d: %m", fd);
	await_parent(held);
	rf_state_lock(); /* descriptors of the state go along */
	error = rf_checkpoint_command(held, &command, fd, report);
	rf_state_unlock();
	return error;
}

/* The first failure of the call, if there was one. */
static int end_call(const struct rf_report *report)
{
	return report->error ? rf_fail(report) : 0;
}

int rfork_commit(rfork_crid_t crid, int fd)
{
	struct rf_report report = { 0 };
	struct rf_held *held;
	int state, unused;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	held = rf_checkpoint_claim(crid, &report);
	if (held) {
		commit(held, fd, &report);
		release(held);
	}
	pthread_setcancelstate(state, &unused);
	return end_call(&report);
}

int rf_checkpoint_wait(struct rf_held *held, int64_t deadline_ns, struct rf_report *report)
{
	int error = hear_end(held, deadline_ns);

	if (error == -ETIMEDOUT)
		return rf_report(report, ETIMEDOUT, "checkpoint %ld is still being written",
				 held->crid);
	if (error < 0)
		return rf_report(report, -error, "the process that holds the checkpoint: %m");
	held->is_writing = held->has_ended = false;
	*report = held->outcome;
	return -report->error;
}

int rfork_commit_wait(rfork_crid_t crid, int timeout_ms)
{
	struct rf_report report = { 0 };
	struct rf_held *held;
	int state, unused;

	if (timeout_ms < -1) {
		rf_report(&report, EINVAL, "a timeout of %d ms has no meaning", timeout_ms);
		return rf_fail(&report);
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	held = rf_checkpoint_claim(crid, &report);
	if (held) {
		if (held->is_writing)
			rf_checkpoint_wait(held, rf_io_deadline_ns(timeout_ms), &report);
		else
			rf_report(&report, EINVAL, "checkpoint %ld is not being written", crid);
		release(held);
	}
	pthread_setcancelstate(state, &unused);
	return end_call(&report);
}

void rf_checkpoint_discard(struct rf_held *held, struct rf_report *report)
{
	pid_t holder = held->holder;

	if (held->is_writing)
		rf_checkpoint_wait(held, RF_NO_DEADLINE, report);
	rf_state_lock();
	rf_held_drop(held);
	rf_state_unlock();
	rf_hold_reap(holder);
}

int rfork_discard(rfork_crid_t crid)
{
	struct rf_report report = { 0 };
	struct rf_held *held;
	int state, unused;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	held = rf_checkpoint_claim(crid, &report);
	if (held)
		rf_checkpoint_discard(held, &report);
	pthread_setcancelstate(state, &unused);
	return end_call(&report);
}
