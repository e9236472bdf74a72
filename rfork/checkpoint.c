/* SPDX-License-Identifier: MIT */
/*
 * The public calls about checkpoints: make a holder, and talk to it.  The holder itself is holder.c.
 */
#define _GNU_SOURCE
#include "rfork/checkpoint.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

#include "rfork/arrival.h"
#include "rfork/io.h"
#include "rfork/move.h"
#include "rfork/state.h"
#include "rfork/sys.h"

#define KNOWN_FLAGS (RFORK_SELF_CONTAINED | RFORK_CLOSE_OTHERS)

/* -- before the fork ----------------------------------------------------------------------------- */

static int refuse_threads(struct rf_report *report)
{
	struct stat status;
	int error = rf_sys_stat("/proc/self/task", &status);

	if (error < 0)
		return rf_report(report, -error, "/proc/self/task: %m");
	if (status.st_nlink > 3)
		return rf_report(report, ENOTSUP, "more than one thread");
	return 0;
}

/* What needs this machine's other processes cannot go to rest. */
static int refuse_descriptors(const struct rf_fdtable *fds, struct rf_report *report)
{
	for (size_t i = 0; i < fds->count; i++) {
		const struct rf_image_descriptor *image = &fds->entries[i].image;
		uint32_t first = image->same_as == RF_IMAGE_NONE ? image->number : image->same_as;

		if (image->kind == RF_DESCRIPTOR_RELAY && first >= RF_IMAGE_STANDARD_CHANNELS &&
		    (image->stream & RF_STREAM_TYPE) != RF_STREAM_TERMINAL)
			return rf_report(report, ENOTSUP,
					 "descriptor %u (%s): a stream to another process",
					 image->number, fds->entries[i].path);
	}
	return 0;
}

static int look_at_process(struct rf_holder_order *order, struct rf_report *report)
{
	int error;

	rf_terminal_find(&order->terminal);
	error = rf_fdtable_collect(&order->fds, &order->arena,
				   order->request.flags & RFORK_CLOSE_OTHERS, &order->terminal,
				   rf_flight_owns, report);
	if (error == 0)
		error = refuse_descriptors(&order->fds, report);
	rf_procstate_ties(&order->ties);
	/* Not permitted to a process that has changed its uid; then the holder does it. */
	rf_procstate_read_ranges(&order->request.ranges, NULL);
	return error;
}

static void describe_origin(struct rf_holder_order *order)
{
	struct rf_image_origin *origin = &order->rest.origin;
	struct timespec now = { 0 };

	rf_syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
	origin->captured_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	origin->pid = (uint32_t)order->caller;
	rf_syscall(SYS_getrandom, origin->id, sizeof(origin->id), 0);
	order->rest.parent_path = "";
	order->rest.facts = &order->facts;
}

/* Begins the holder's order in an arena of its own; NULL with a report. */
static struct rf_holder_order *begin_order(unsigned flags, int64_t crid, uint64_t signal_mask,
					   const struct rf_machine_facts *facts,
					   struct rf_report *report)
{
	struct rf_holder_order *order;
	struct rf_arena arena;
	int error = rf_arena_map(&arena, RF_HOLDER_ARENA_BYTES);

	if (error < 0) {
		rf_report(report, -error, "memory for the checkpoint: %m");
		return NULL;
	}
	order = rf_arena_take(&arena, sizeof(*order));
	order->arena = arena;
	order->caller = (pid_t)rf_syscall(SYS_getpid);
	order->facts = *facts;
	order->request.flags = flags;
	order->request.same_boot = true; /* digests are looked up when it is written */
	order->request.fds = &order->fds;
	order->request.rest = &order->rest;
	order->request.signal_mask = signal_mask;
	memcpy(order->request.boot_id, facts->boot_id, sizeof(order->request.boot_id));
	rf_format(order->name, sizeof(order->name), "rfork:crid %ld", crid);
	describe_origin(order);
	return order;
}

static int open_control(struct rf_held *held, struct rf_holder_order *order,
			struct rf_report *report)
{
	int ends[2];
	int error =
		(int)rf_syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);

	if (error < 0)
		return rf_report(report, -error, "socketpair: %m");
	held->control = rf_io_above_stdio(ends[0]);
	order->control = rf_io_above_stdio(ends[1]);
	if (held->control >= 0 && order->control >= 0)
		return 0;
	if (order->control >= 0)
		rf_sys_close(order->control);
	return rf_report(report, EMFILE, "socketpair: %m");
}

/* -- the holder ---------------------------------------------------------------------------------- */

/* Receives what the holder says; 0 or a negative errno with a report: -ECONNRESET if it is dead. */
static int hear(int control, enum rf_holder_answer_kind kind, struct rf_report *report)
{
	struct rf_holder_answer answer;
	long got;

	do
		got = rf_sys_read(control, &answer, sizeof(answer));
	while (got == -EINTR);
	if (got == 0 || got == -ECONNRESET)
		return rf_report(report, ECONNRESET,
				 "the process that holds the checkpoint was killed");
	if (got < 0)
		return rf_report(report, (int)-got, "the process that holds the checkpoint: %m");
	if (got != sizeof(answer) || answer.kind != kind)
		return rf_report(report, EPROTO, "the process that holds the checkpoint: %m");
	*report = answer.report;
	return -report->error;
}

static void reap(pid_t holder)
{
	while (rf_syscall(SYS_waitid, P_PID, holder, NULL, WEXITED | __WALL, NULL) == -EINTR)
		;
}

/*
 * A fork that libc does not hear of, so that no signal tells of the holder's end, and wait() does not meet it.  The
 * holder's pid, 0 in the restored process, or a negative errno.  Owns nothing: its frame lives on in three
 * processes.
 */
static pid_t fork_returns_twice(struct rf_holder_order *order)
{
	const unsigned long no_exit_signal = 0;
	long pid = rf_syscall(SYS_clone, no_exit_signal, 0, 0, 0, 0);
	struct rf_arrival *arrival;

	if (pid != 0)
		return (pid_t)pid;
	arrival = rf_holder_become(order);
	rf_arrive(arrival, RF_SHELL_RUNNING);
	return 0;
}

/* With all signals blocked.  0 in the restored process; 1, or a negative errno with a report. */
static int hold_returns_twice(struct rf_held *held, struct rf_holder_order *order,
			      struct rf_report *report)
{
	pid_t pid;
	int error = look_at_process(order, report);

	if (error == 0)
		error = open_control(held, order, report);
	if (error < 0)
		return error;
	pid = fork_returns_twice(order);
	if (pid == 0)
		return 0;
	rf_sys_close(order->control);
	if (pid < 0)
		return rf_report(report, -pid, "fork: %m");
	held->holder = pid;
	error = hear(held->control, RF_HOLDER_READY, report);
	if (error == 0)
		return 1;
	rf_held_drop(held);
	reap(pid);
	return error;
}

static rfork_crid_t checkpoint_locked_returns_twice(unsigned flags, uint64_t signal_mask,
						    const struct rf_machine_facts *facts,
						    struct rf_report *report)
{
	struct rf_held *held = rf_held_add();
	struct rf_holder_order *order;
	rfork_crid_t crid;
	int result;

	if (!held)
		return rf_report(report, EAGAIN, "%u checkpoints are held: discard one",
				 RF_HELD_MAX);
	crid = held->crid;
	order = begin_order(flags, crid, signal_mask, facts, report);
	if (!order) {
		rf_held_drop(held);
		return -report->error;
	}
	result = hold_returns_twice(held, order, report);
	if (result == 0)
		return 0; /* restored: there is neither order nor holder */
	rf_arena_unmap(
		&(struct rf_arena){ .base = order->arena.base, .bytes = order->arena.bytes });
	if (result < 0) {
		rf_held_drop(held);
		return result;
	}
	held->is_claimed = false;
	return crid;
}

rfork_crid_t rf_checkpoint_returns_twice(unsigned flags, struct rf_report *report)
{
	const struct rf_machine_facts *facts;
	rfork_crid_t crid;
	uint64_t mask;
	int error;

	if (flags & ~KNOWN_FLAGS)
		return rf_report(report, EINVAL, "flags 0x%x are not known", flags & ~KNOWN_FLAGS);
	error = rf_refuse_sandbox(report);
	if (error == 0)
		error = refuse_threads(report);
	if (error < 0)
		return error;
	facts = rf_state_facts(&error);
	if (!facts)
		return rf_report(report, -error, "the facts of this machine: %m");
	error = rf_state_watch_forks();
	if (error < 0)
		return rf_report(report, -error, "pthread_atfork: %m");
	mask = rf_move_block_signals();
	rf_state_lock();
	crid = checkpoint_locked_returns_twice(flags, mask, facts, report);
	if (crid == 0)
		return 0; /* restored: with the mask, and a lock that is open */
	rf_state_unlock();
	rf_move_restore_signals(mask);
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
	return crid < 0 ? rf_fail(&report) : crid;
}

/* -- commit -------------------------------------------------------------------------------------- */

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

static int send_command(int control, struct rf_holder_command *command, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} passed = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { command, sizeof(*command) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &passed,
				  .msg_controllen = sizeof(passed.bytes) };
	ssize_t sent;

	memcpy(CMSG_DATA(&passed.header), &fd, sizeof(fd));
	do
		sent = rf_sys_sendmsg(control, &message, MSG_NOSIGNAL);
	while (sent == -EINTR);
	return sent < 0 ? (int)sent : 0;
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
	int error = send_command(held->control, command, fd);

	if (error < 0 && error != -EPIPE && error != -ECONNRESET)
		return rf_report(report, -error, "passing descriptor %d: %m", fd);
	error = hear(held->control, RF_HOLDER_BEGUN, report);
	held->is_writing = error == 0;
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
	return rf_checkpoint_command(held, &command, fd, report);
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
	int error = rf_io_wait(held->control, POLLIN, deadline_ns);

	if (error == -ETIMEDOUT)
		return rf_report(report, ETIMEDOUT, "checkpoint %ld is still being written",
				 held->crid);
	if (error < 0)
		return rf_report(report, -error, "the process that holds the checkpoint: %m");
	held->is_writing = false;
	return hear(held->control, RF_HOLDER_WRITTEN, report);
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
	reap(holder);
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
