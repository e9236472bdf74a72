/* SPDX-License-Identifier: MIT */
/*
 * The life of a holder: a frozen copy of the caller that waits for commands.  After
 * rf_arch_capture() all code here runs on the arena's stack: no malloc, no stdio, no errno, no
 * write outside the arena.
 *
 * Its first thread only listens, so that it answers, and sees the caller's end, while another one
 * writes.
 */
#define _GNU_SOURCE
#include "rfork/holder.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "rfork/arch.h"
#include "rfork/fdcontent.h"
#include "rfork/fdproof.h"
#include "rfork/ghost_signals.h"
#include "rfork/holder_target.h"
#include "rfork/holder_write.h"
#include "rfork/io.h"
#include "rfork/sys.h"

#define PAGE_BYTES 4096u
#define WRITER_STACK_BYTES ((size_t)256 << 10)
#define EXIT_STATUS 1 /* nobody looks */

struct holder {
	struct rf_holder_order *order;
	struct rf_arch_context context;
	struct rf_snapshot *snapshot;
	struct rf_report report;
	int caller_fd; /* of the caller's process; -1 where the kernel has no such */
	/* a commit that is under way */
	struct rf_holder_writer writer;
	struct rf_target target;
	unsigned char *writer_stack_top;
	int running;	  /* futex: the writer's thread exists */
	bool is_answered; /* atomic: and has nothing more to do */
};

/* -- becoming one ----------------------------------------------------------------------------- */

/* Of the moment, and the holder's own: the process and others go on writing to theirs.  Above the
 * descriptor that stays open, in ascending order. */
static int copy_contents(struct holder *holder)
{
	struct rf_fdtable *fds = &holder->order->fds;
	int error = rf_fdcontent_open(fds, &holder->report);

	return error < 0 ? error
			 : rf_fdcontent_copy(fds, (unsigned)holder->order->control + 1,
					     holder->writer.bounce, &holder->report);
}

/* Everything is the caller's: what it closes must end. */
static void close_others(const struct holder *holder)
{
	const struct rf_fdtable *fds = &holder->order->fds;
	unsigned first = (unsigned)holder->order->control + 1;

	if (first > 1)
		rf_sys_close_between(0, first - 2);
	for (size_t i = 0; i < fds->object_count; i++) {
		const struct rf_fdcontent *content = fds->objects[i].content;

		if (!content || content->fd < 0)
			continue;
		rf_sys_close_between(first, (unsigned)content->fd - 1);
		first = (unsigned)content->fd + 1;
	}
	rf_sys_close_between(first, UINT32_MAX);
}

/* The end of the control socket alone would not do: the caller's other children may have it,
 * too. */
static int watch_caller(struct holder *holder)
{
	holder->caller_fd = (int)rf_syscall(SYS_pidfd_open, holder->order->caller, 0);
	if (holder->caller_fd == -ENOSYS)
		rf_sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	else if (holder->caller_fd < 0)
		return rf_report(&holder->report, -holder->caller_fd, "watching the caller: %m");
	if (rf_syscall(SYS_getppid) != holder->order->caller)
		rf_sys_exit(EXIT_STATUS);
	return 0;
}

/* What the caller has noted for the fork drops it. */
static void take_over(struct holder *holder)
{
	struct rf_holder_order *order = holder->order;
	struct rf_image_thread *thread = &holder->snapshot->thread;

	thread->tid = order->ties.tid;
	thread->robust_list = order->ties.robust_list;
	thread->robust_list_bytes = order->ties.robust_list_bytes;
	thread->tid_address = order->ties.tid_address;
	rf_rest_complete(&order->kept, holder->snapshot);
	order->rest.locks = order->kept.locks;
	order->rest.lock_count = order->kept.lock_count;
	order->rest.lost = order->kept.lost;
	order->rest.lost_bytes = order->kept.lost_bytes;
}

static int collect(struct holder *holder)
{
	struct rf_holder_order *order = holder->order;
	int error;

	holder->snapshot->large = order->large;
	error = rf_snapshot_collect_state(holder->snapshot, &order->arena, &holder->context,
					  &order->request, &holder->report);
	if (error < 0)
		return error;
	take_over(holder);
	error = rf_pagemap_open(&holder->snapshot->pagemap);
	if (error < 0)
		return rf_report(&holder->report, -error, "/proc/self/pagemap: %m");
	holder->writer.memory_fd = rf_sys_open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (holder->writer.memory_fd < 0)
		return rf_report(&holder->report, -holder->writer.memory_fd, "/proc/self/mem: %m");
	holder->snapshot->smaps_fd = rf_sys_open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	if (holder->snapshot->smaps_fd < 0)
		return rf_report(&holder->report, -holder->snapshot->smaps_fd,
				 "/proc/self/smaps: %m");
	rf_procstate_leave_rseq(&holder->snapshot->thread);
	return rf_snapshot_unshare(holder->snapshot, holder->writer.memory_fd, &holder->report);
}

static int take_snapshot(struct holder *holder)
{
	int dumpable = rf_sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	int error;

	/* memory may be read whose key denies that to the program */
	holder->order->request.key_rights = rf_keys_open();
	holder->snapshot->pagemap.fd = holder->snapshot->smaps_fd = -1;
	holder->snapshot->original = (int)rf_syscall(SYS_getppid);
	/* A process that has changed its uid may not open its own /proc files otherwise. */
	if (dumpable != 1)
		rf_sys_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	error = copy_contents(holder);
	close_others(holder);
	if (error == 0)
		error = watch_caller(holder);
	if (error == 0)
		error = collect(holder);
	if (dumpable != 1)
		rf_sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return error;
}

/* From here on it must not change. */
static void freeze(struct holder *holder)
{
	holder->writer.is_checked = holder->order->frozen != RF_FROZEN_TRUSTED;
	if (holder->writer.is_checked)
		holder->writer.digest = rf_snapshot_digest(holder->snapshot);
	if (holder->order->frozen == RF_FROZEN_BROKEN)
		*(volatile uint64_t *)(holder->context.rsp - PAGE_BYTES) ^= 1;
}

/* What must not be done before the state of the process has been collected. */
static void disguise(struct holder *holder)
{
	struct rlimit none = { 0, 0 };

	rf_sys_prctl(PR_SET_NAME, (unsigned long)holder->order->name, 0, 0, 0);
	rf_syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
	rf_syscall(SYS_chdir, "/"); /* where the program was may be unmounted */
}

/* -- answers ---------------------------------------------------------------------------------- */

/* A caller that is gone needs none. */
static void answer(const struct holder *holder, enum rf_holder_answer_kind kind,
		   const struct rf_report *report)
{
	struct rf_holder_answer message = { .kind = kind, .report = *report };

	rf_io_write_full(holder->order->control, &message, sizeof(message), RF_NO_DEADLINE);
}

static void refuse(const struct holder *holder, int error, const char *sentence)
{
	struct rf_report report = { 0 };

	rf_report(&report, error, "%s", sentence);
	answer(holder, RF_HOLDER_BEGUN, &report);
}

/* -- commits ---------------------------------------------------------------------------------- */

/* With what the next checkpoint can build on. */
static void answer_written(struct holder *holder, const struct rf_report *report)
{
	const struct rf_holder_answer message = { .kind = RF_HOLDER_WRITTEN, .report = *report };
	int *chain = &holder->writer.written_chain;

	rf_holder_send(holder->order->control, &message, sizeof(message), chain, *chain >= 0);
	if (*chain >= 0)
		rf_sys_close(*chain);
	*chain = -1;
}

/* The life of the writer's thread. */
static void write_image(void *argument)
{
	struct holder *holder = argument;
	struct rf_report report = { 0 };
	int error;

	rf_target_remove_stale(&holder->target);
	/* another machine, or another day, knows files by their bytes */
	if (holder->target.is_executable)
		rf_fdproof_digest_by_path(&holder->order->fds);
	error = rf_holder_write(&holder->writer, &holder->target, &report);
	if (error < 0)
		rf_target_abandon(&holder->target);
	else
		rf_target_complete(&holder->target, &report);
	__atomic_store_n(&holder->is_answered, true, __ATOMIC_RELEASE);
	answer_written(holder, &report);
}

static void start_writer(struct holder *holder)
{
	struct rf_report report = { 0 };
	long started;

	holder->is_answered = false;
	started = rf_arch_start_thread(holder->writer_stack_top, write_image, holder,
				       &holder->running);
	if (started >= 0)
		return;
	rf_target_abandon(&holder->target);
	holder->running = 0;
	rf_report(&report, (int)-started, "a thread to write with: %m");
	answer(holder, RF_HOLDER_WRITTEN, &report);
}

static void close_fds(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rf_sys_close(fds[i]);
}

/* What the program says of the checkpoint before, in place of what it said last. */
static void take_base(struct rf_holder_writer *writer, uint32_t flags, const int *fds)
{
	const int given[] = { writer->chain, writer->changes };

	for (size_t i = 0; i < 2; i++)
		if (given[i] >= 0)
			rf_sys_close(given[i]);
	writer->chain = flags & RF_HOLDER_HAS_CHAIN ? *fds++ : -1;
	writer->changes = flags & RF_HOLDER_HAS_CHANGES ? *fds : -1;
}

/* Takes the descriptors. */
static void write_to(struct holder *holder, const struct rf_holder_command *command, const int *fds,
		     size_t count)
{
	struct rf_report report = { 0 };

	if (__atomic_load_n(&holder->running, __ATOMIC_ACQUIRE)) {
		if (!__atomic_load_n(&holder->is_answered, __ATOMIC_ACQUIRE)) {
			close_fds(fds, count);
			refuse(holder, EBUSY, "the checkpoint is being written already");
			return;
		}
		rf_holder_join(&holder->running);
	}
	take_base(&holder->writer, command->flags, fds + 1);
	if (command->kind == RF_HOLDER_UNDUMP)
		rf_target_open_executable(&holder->target, fds[0], command->name, &report);
	else
		rf_target_open(&holder->target, fds[0], &report);
	answer(holder, RF_HOLDER_BEGUN, &report);
	if (!report.error)
		start_writer(holder);
}

static size_t count_fds(uint32_t flags)
{
	return 1 + !!(flags & RF_HOLDER_HAS_CHAIN) + !!(flags & RF_HOLDER_HAS_CHANGES);
}

/* Receives a command with its descriptors; false when there will be no more. */
static bool take_command(struct holder *holder)
{
	struct rf_holder_command command;
	int fds[RF_HOLDER_MAX_FDS];
	size_t count;
	long got = rf_holder_receive(holder->order->control, &command, sizeof(command), fds,
				     RF_HOLDER_MAX_FDS, &count);

	if (got <= 0)
		return false;
	if (got != sizeof(command) || count != count_fds(command.flags)) {
		close_fds(fds, count);
		refuse(holder, EMFILE, "the descriptor did not arrive");
		return true;
	}
	write_to(holder, &command, fds, count);
	return true;
}

/* -- its life --------------------------------------------------------------------------------- */

static void serve(struct holder *holder)
{
	struct pollfd polled[] = { { .fd = holder->order->control, .events = POLLIN },
				   { .fd = holder->caller_fd, .events = POLLIN } };

	for (;;) {
		int ready = rf_sys_poll(polled, 2, -1);

		if (ready == -EINTR)
			continue;
		if (ready < 0 || polled[1].revents)
			return;
		if (polled[0].revents && !take_command(holder))
			return;
	}
}

/* A file that is being written is written to its end: nobody waits for that, and what there was
 * before is replaced only then.  A stream could wait for its reader for ever. */
_Noreturn static void end(struct holder *holder)
{
	if (!holder->target.is_stream)
		rf_holder_join(&holder->running);
	rf_sys_exit(EXIT_STATUS);
}

static void live(void *argument)
{
	struct holder *holder = argument;
	int error;

	rf_ghost_block_signals();
	error = take_snapshot(holder);
	disguise(holder);
	if (error == 0)
		freeze(holder);
	answer(holder, RF_HOLDER_READY, &holder->report);
	if (error == 0)
		serve(holder);
	end(holder);
}

struct rf_arrival *rf_holder_become(struct rf_holder_order *order)
{
	struct rf_arena *arena = &order->arena;
	struct holder *holder = rf_arena_take(arena, sizeof(*holder));
	unsigned char *stack = rf_arena_take(arena, WRITER_STACK_BYTES);

	if (!holder || !stack || rf_holder_prepare(&holder->writer, arena) < 0)
		rf_sys_exit(EXIT_STATUS);
	holder->order = order;
	holder->writer_stack_top = stack + WRITER_STACK_BYTES;
	holder->snapshot = rf_arena_take(arena, sizeof(*holder->snapshot));
	if (!holder->snapshot)
		rf_sys_exit(EXIT_STATUS);
	holder->writer.snapshot = holder->snapshot;
	holder->writer.request = &order->request;
	holder->writer.rest = &order->rest;
	return rf_arch_capture(&holder->context, arena->base + arena->bytes, live, holder);
}
