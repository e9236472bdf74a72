/* SPDX-License-Identifier: MIT */
/*
 * Makes a holder.  Called by checkpoint.c, in the caller, which waits meanwhile: as little as
 * possible is done here.
 */
#define _GNU_SOURCE
#include "rfork/hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <rfork.h>

#include "rfork/arrival.h"
#include "rfork/drop.h"
#include "rfork/fdcontent.h"
#include "rfork/fdobject.h"
#include "rfork/identity.h"
#include "rfork/io.h"
#include "rfork/map_proof.h"
#include "rfork/other_threads.h"
#include "rfork/refusals.h"
#include "rfork/rights.h"
#include "rfork/sandbox.h"
#include "rfork/state.h"
#include "rfork/sys.h"

/* So often are timers looked at that go off meanwhile. */
#define TIMER_TRIES 100
/* Contents of pipes that lie in the order's own arena. */
#define PIPES_SMALL_BYTES ((size_t)2 << 20)

/* -- what cannot be kept ---------------------------------------------------------------------- */

struct look {
	struct rf_holder_order *order;
	struct rf_refusals refusals;
	bool has_descriptors, has_threads; /* among the refusals */
};

static bool may_close(const struct look *look)
{
	return look->order->request.flags & RFORK_CLOSE_OTHERS;
}

static void leave_out(struct look *look, int fd, const char *path, const char *type)
{
	if (may_close(look))
		rf_rest_lose(&look->order->kept, "descriptor %d (%s): %s", fd, path, type);
	else
		rf_refuse(&look->refusals, "descriptor %d (%s): %s", fd, path, type);
	look->has_descriptors |= !may_close(look);
}

/* What goes to a process that will not be there: but the new process has standard streams, and
 * perhaps a terminal. */
static bool is_stream_to_others(const struct rf_image_descriptor *image)
{
	uint32_t first = image->same_as == RF_IMAGE_NONE ? image->number : image->same_as;

	return image->kind == RF_DESCRIPTOR_RELAY && first >= RF_IMAGE_STANDARD_CHANNELS &&
	       (image->stream & RF_STREAM_TYPE) != RF_STREAM_TERMINAL;
}

/* What they watch of what is left out goes with that, and what nobody has any more is lost. */
static void find_objects(struct look *look)
{
	struct rf_fdtable *fds = &look->order->fds;

	rf_fdobject_keep_watches(fds);
	for (size_t i = 0; i < fds->object_count; i++) {
		if (rf_fdobject_has_unread(&fds->objects[i]))
			rf_rest_lose(&look->order->kept,
				     "descriptor %u (%s): events that have not been read",
				     fds->objects[i].number, fds->objects[i].path);
		if (fds->objects[i].forgotten)
			leave_out(look, (int)fds->objects[i].number, fds->objects[i].path,
				  "it watches what it cannot be told to watch again");
	}
}

/* Goes through all that are open, those that the table has left out too, and leaves in the table
 * what is kept. */
static void find_descriptors(struct look *look)
{
	struct rf_fdtable *fds = &look->order->fds;
	size_t entry = 0, kept = 0;

	for (size_t i = 0; i < fds->number_count; i++) {
		struct rf_fd *fd = &fds->entries[entry];
		const char *path, *type;

		if (entry == fds->count || (int)fd->image.number != fds->numbers[i]) {
			rf_fdtable_describe(fds->numbers[i], &look->order->arena, &path, &type);
			leave_out(look, fds->numbers[i], path, type);
			continue;
		}
		entry++;
		if (is_stream_to_others(&fd->image)) {
			leave_out(look, fds->numbers[i], fd->path, "other processes have it, too");
			continue;
		}
		if (!may_close(look))
			fd->image.flags &= (uint16_t)~RF_DESCRIPTOR_MAY_CLOSE;
		fds->entries[kept++] = *fd;
	}
	fds->count = kept;
	find_objects(look);
}

static void refuse_mappings(struct look *look)
{
	const struct rf_holder_order *order = look->order;
	bool by_reference = !(order->request.flags & RFORK_SELF_CONTAINED);
	struct rf_map_proof proof = { 0 };

	for (size_t i = 0; i < order->kept.maps.count; i++) {
		const struct rf_map *map = &order->kept.maps.entries[i];
		struct rf_map_plan plan;
		struct stat status;
		bool found;

		if (map->kind != RF_MAP_FILE || rf_rest_is_lost(map))
			continue;
		found = !map->deleted && !rf_map_is_shared_memory(map) &&
			rf_sys_stat(map->path, &status) == 0 && rf_map_proof(&proof, map, &status);
		if (!found && rf_fdcontent_find(&order->fds, map, NULL) != RF_IMAGE_NONE)
			continue;
		plan = rf_map_plan(map, found ? &status : NULL, by_reference);
		if (plan.refusal)
			rf_refuse(&look->refusals, "mapping %lx-%lx (%s%s): %s", map->start,
				  map->end, map->path, map->deleted ? " (deleted)" : "",
				  plan.refusal);
	}
}

static void take_thread(void *context, const char *tid, const char *name)
{
	struct look *look = context;

	if (look->order->request.flags & RFORK_THIS_THREAD) {
		rf_rest_lose(&look->order->kept, "thread %s (%s)", tid, name);
		return;
	}
	rf_refuse(&look->refusals, "thread %s (%s)", tid, name);
	look->has_threads = true;
}

/* What the program can do: its user may not know what a shell or an editor has left open. */
static const char *advise(const struct look *look)
{
	if (look->has_descriptors && look->has_threads)
		return " (see RFORK_CLOSE_OTHERS and RFORK_THIS_THREAD)";
	if (look->has_descriptors)
		return " (close it, or see RFORK_CLOSE_OTHERS)";
	return look->has_threads ? " (see RFORK_THIS_THREAD)" : "";
}

/* -- what fork drops -------------------------------------------------------------------------- */

/* They stay children of this process alone. */
static void lose_children(struct rf_holder_order *order)
{
	char path[48], text[4096] = "", *next = text;

	rf_format(path, sizeof(path), "/proc/self/task/%d/children", (int)rf_syscall(SYS_gettid));
	rf_io_read_file(path, text, sizeof(text)); /* of a longer list the beginning will do */
	while (*next) {
		long pid = strtol(next, &next, 10);

		if (pid > 0 && !rf_held_has((pid_t)pid))
			rf_rest_lose(&order->kept, "child process %ld", pid);
		next += strspn(next, " \n");
	}
}

static void lose_timer(void *context, uint32_t id)
{
	rf_rest_lose(context, "timer %u: it is for another thread", id);
}

/*
 * Notes timers and pending signals, so that each expiration is in one of them: no timer is
 * stopped, but if one goes off meanwhile, both are noted again.
 */
static int note_signals(struct rf_holder_order *order, struct rf_report *report)
{
	int tries = 0;
	int error = rf_timers_list(&order->timers, &order->arena, report);

	if (error < 0)
		return error;
	rf_timers_keep_own(&order->timers, lose_timer, &order->kept);
	order->request.timers = &order->timers;
	order->request.pending = &order->pending;
	rf_pending_prepare(&order->pending, &order->arena);
	rf_timers_look(&order->timers);
	do
		error = rf_pending_take(&order->pending, report);
	while (error == 0 && rf_timers_look(&order->timers) && ++tries < TIMER_TRIES);
	return error < 0 ? error : rf_pending_keep(&order->pending, &order->arena, report);
}

static int read_pipes(struct rf_holder_order *order, struct rf_report *report)
{
	struct rf_pipes *pipes = &order->pipes;
	size_t bytes = 0;
	int error = 0;

	for (size_t i = 0; i < pipes->count; i++)
		bytes += pipes->entries[i].capacity_bytes;
	order->request.pipes = pipes;
	if (bytes <= PIPES_SMALL_BYTES)
		return rf_pipes_read(pipes, &order->arena, report);
	if (!order->large.base)
		error = rf_arena_map(&order->large, RF_ARENA_LARGE_BYTES);
	return error < 0 ? rf_report(report, -error, "memory for the contents of pipes: %m")
			 : rf_pipes_read(pipes, &order->large, report);
}

static int note_rest(struct rf_holder_order *order, struct rf_report *report)
{
	int error = rf_rest_find_locks(&order->kept, &order->fds, &order->arena, report);

	rf_fdobject_renew(&order->fds);
	if (error == 0)
		error = rf_rest_find_locked_memory(&order->kept, &order->arena, report);
	if (error == 0)
		error = read_pipes(order, report);
	lose_children(order);
	rf_procstate_ties(&order->ties);
	/* Not permitted to a process that has changed its uid; then the holder does it. */
	rf_procstate_read_ranges(&order->request.ranges, NULL);
	return error < 0 ? error : note_signals(order, report);
}

/* Looks at all that stands against the checkpoint before it says so. */
static int refuse_all(struct rf_holder_order *order, struct rf_report *report)
{
	struct look look = { .order = order };
	char lines[RF_REFUSALS_BYTES];
	int error;

	rf_refusals_begin(&look.refusals, lines, sizeof(lines));
	error = rf_other_threads(take_thread, &look);
	if (error < 0)
		return rf_report(report, -error, "/proc/self/task: %m");
	rf_sandbox_refuse(&look.refusals);
	find_descriptors(&look);
	refuse_mappings(&look);
	return rf_refusals_report(&look.refusals, "cannot be kept", advise(&look), report);
}

/* An ancestor of another user could have them, too, which cannot be seen: but both ends are
 * seldom inherited. */
static void find_pipes(struct rf_holder_order *order)
{
	const struct rf_pipes *pipes = &order->pipes;

	if (rf_pipes_find_of(&order->pipes, &order->fds, &order->arena, order->caller))
		return;
	for (size_t i = 0; i < pipes->count; i++)
		rf_rest_lose(&order->kept,
			     "whether the pipe of descriptors %d and %d is also another user's "
			     "process's",
			     pipes->entries[i].ends[0], pipes->entries[i].ends[1]);
}

static int look_at_process(struct rf_holder_order *order, struct rf_report *report)
{
	struct rf_refusals *const left_out = NULL; /* what is left out is found afterwards */
	const uint32_t flags = RF_FDTABLE_AT_REST | order->request.flags;
	int error = rf_rest_begin(&order->kept, &order->arena, &order->large, report);

	if (error < 0)
		return error;
	rf_terminal_find(&order->terminal);
	order->fds.goes_itself = true;
	error = rf_fdtable_collect(&order->fds, &order->arena, flags, left_out, &order->terminal,
				   rf_flight_owns, report);
	if (error < 0)
		return error;
	find_pipes(order);
	error = refuse_all(order, report);
	return error < 0 ? error : note_rest(order, report);
}

/* -- the order -------------------------------------------------------------------------------- */

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
static struct rf_holder_order *begin_order(int64_t crid, unsigned flags, uint64_t signal_mask,
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
	order->control = -1;
	order->frozen = rf_frozen_check();
	order->caller = (pid_t)rf_syscall(SYS_getpid);
	order->facts = *facts;
	rf_sys_prctl(PR_GET_NAME, (unsigned long)order->facts.program, 0, 0, 0);
	order->request.flags = flags;
	order->request.same_boot = true; /* digests are looked up when it is written */
	order->request.fds = &order->fds;
	rf_attributes_collect(&order->attributes);
	order->request.attributes = &order->attributes;
	order->request.rest = &order->rest;
	order->request.signal_mask = signal_mask;
	memcpy(order->request.boot_id, facts->boot_id, sizeof(order->request.boot_id));
	rf_format(order->name, sizeof(order->name), "rfork:crid %ld", crid);
	rf_identity_describe(&order->request.identity, rf_state_identity(), facts);
	rf_rights_collect(&order->request.rights);
	order->request.limits_rights = rf_rights_are_limited(&order->request.rights);
	order->request.connection = "";
	describe_origin(order);
	return order;
}

static void end_order(struct rf_holder_order *order)
{
	struct rf_arena arena = order->arena, large = order->large;

	if (order->control >= 0)
		rf_sys_close(order->control);
	rf_arena_unmap(&large);
	rf_arena_unmap(&arena);
}

/* -- the fork --------------------------------------------------------------------------------- */

static int open_control(struct rf_held *held, struct rf_holder_order *order,
			struct rf_report *report)
{
	int ends[2];
	int error =
		(int)rf_syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);

	if (error < 0)
		return rf_report(report, -error, "socketpair: %m");
	error = rf_kept_fd_take(&held->control, ends[0]);
	order->control = rf_io_above_stdio(ends[1]);
	return error < 0 || order->control < 0 ? rf_report(report, EMFILE, "socketpair: %m") : 0;
}

int rf_hold_hear(int control, enum rf_holder_answer_kind kind, int *chain, struct rf_report *report)
{
	struct rf_holder_answer answer;
	int fds[1];
	size_t count = 0;
	long got = rf_holder_receive(control, &answer, sizeof(answer), fds, chain ? 1 : 0, &count);

	if (chain)
		*chain = count ? fds[0] : -1;
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

void rf_hold_reap(pid_t holder)
{
	while (rf_syscall(SYS_waitid, P_PID, holder, NULL, WEXITED | __WALL, NULL) == -EINTR)
		;
}

/*
 * A fork that libc does not hear of: no signal tells of the holder's end, and wait() does not
 * meet it.  The holder's pid, 0 in the restored process, or a negative errno.  Owns nothing: its
 * frame lives on in three processes.
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

static int hold_returns_twice(struct rf_held *held, struct rf_holder_order *order,
			      struct rf_report *report)
{
	pid_t pid;
	int error;

	if (held->increment.is_wanted)
		rf_increment_look(&held->increment);
	pid = fork_returns_twice(order);
	if (pid == 0)
		return 0;
	if (pid < 0)
		return rf_report(report, -pid, "fork: %m");
	rf_sys_close(order->control);
	order->control = -1;
	error = rf_hold_hear(held->control.fd, RF_HOLDER_READY, NULL, report);
	if (error == 0) {
		held->holder = pid;
		if (held->increment.is_wanted)
			rf_increment_complete(&held->increment, held->crid);
		return 1;
	}
	rf_kept_fd_close(&held->control);
	rf_hold_reap(pid);
	return error;
}

int rf_hold_returns_twice(struct rf_held *held, unsigned flags, uint64_t signal_mask,
			  const struct rf_machine_facts *facts, struct rf_report *report)
{
	struct rf_holder_order *order = begin_order(held->crid, flags, signal_mask, facts, report);
	int result;

	if (!order)
		return -report->error;
	result = rf_drop_choose(&order->request.drop, &order->arena, report);
	held->increment.is_wanted = flags & RFORK_INCREMENTAL;
	if (result == 0)
		result = look_at_process(order, report);
	if (result == 0)
		result = open_control(held, order, report);
	if (result == 0) {
		result = hold_returns_twice(held, order, report);
		if (result == 0)
			return 0; /* restored: there is no order */
	}
	if (order->pending.entries)
		rf_pending_put_back(&order->pending);
	end_order(order);
	return result;
}
