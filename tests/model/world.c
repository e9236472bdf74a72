/* SPDX-License-Identifier: MIT */
/*
 * The rules of what may come next.  Called by the generator.  Each rule that is stricter than
 * fork(2) asks for is one that rfork.7 asks for; README.md lists them.
 */
#include "tests/model/world.h"

#include <signal.h>
#include <string.h>

#define PAGE_BYTES 4096u
/* Of the sixteen pages of a pipe; a socket holds as much. */
#define PAGES_IN_FLIGHT 12u
/* What one read(2) has to find in one piece on a node as well. */
#define READ_ONCE_BYTES 16384u

/* -- clocks ----------------------------------------------------------------------------------- */

static void join(struct world_clock *clock, const struct world_clock *other)
{
	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++)
		if (clock->of[i] < other->of[i])
			clock->of[i] = other->of[i];
}

static void join_all(struct world_clocks *clocks, const struct world_clocks *other)
{
	join(&clocks->known, &other->known);
	join(&clocks->settled, &other->settled);
	join(&clocks->ordered, &other->ordered);
}

/* From an ancestor: its effects happened nearer to the originals, so later ones come behind. */
static void join_ancestor(struct world_clocks *clocks, const struct world_clocks *other)
{
	join(&clocks->known, &other->known);
	join(&clocks->ordered, &other->ordered);
}

static unsigned tick(struct world *world, unsigned process)
{
	struct world_clocks *clocks = &world->processes[process].clocks;
	uint16_t now = ++clocks->known.of[process];

	clocks->settled.of[process] = clocks->ordered.of[process] = now;
	return now;
}

static bool is_ancestor(const struct world *world, unsigned ancestor, unsigned process)
{
	while (process > ancestor) /* parents have the lower numbers */
		process = world->processes[process].parent;
	return process == ancestor;
}

/* -- streams ---------------------------------------------------------------------------------- */

static bool is_standard(unsigned end)
{
	return script_object(end) < 2;
}

/* A child has a pipe for 0 and 1 whatever they are: only one direction of those is used. */
static bool has_one_direction(const struct world *world, unsigned end)
{
	return is_standard(end) || world->objects[script_object(end)].kind != SCRIPT_SOCKETS;
}

bool world_reads(const struct world *world, unsigned end)
{
	return end % 2 == 0 || !has_one_direction(world, end);
}

bool world_writes(const struct world *world, unsigned end)
{
	return end % 2 == 1 || !has_one_direction(world, end);
}

static bool is_alive(const struct world_process *process)
{
	return process->state >= WORLD_RUNNING && process->state <= WORLD_PARKED;
}

unsigned world_holders(const struct world *world, unsigned end)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++)
		count += is_alive(&world->processes[i]) && world->processes[i].copies[end] > 0;
	return count;
}

unsigned world_unread(const struct world *world, unsigned end)
{
	return world->streams[end].written - world->streams[end].read;
}

/* Processes that can write to what `end` reads. */
static unsigned count_writers(const struct world *world, unsigned end)
{
	return world->streams[end].is_shut ? 0 : world_holders(world, script_far(end));
}

static bool is_file(const struct world *world, unsigned end)
{
	return world->objects[script_object(end)].kind == SCRIPT_FILE;
}

static unsigned pages_in_flight(const struct world_stream *stream)
{
	unsigned pages = 0, start = 0;

	for (unsigned i = 0; i < stream->event_count; i++) {
		const struct world_event *event = &stream->events[i];

		if (event->change != WORLD_WROTE)
			continue;
		if (event->end_position > stream->read)
			pages += (event->end_position - start + PAGE_BYTES - 1) / PAGE_BYTES;
		start = event->end_position;
	}
	return pages;
}

/* Whether an event still decides what is seen of a stream. */
static bool is_relevant(const struct world *world, unsigned end, const struct world_event *event)
{
	switch (event->change) {
	case WORLD_WROTE:
		return event->end_position > world->streams[end].read;
	case WORLD_NO_WRITER:
		return count_writers(world, end) == 0;
	case WORLD_NO_READER:
		break;
	}
	return world_holders(world, end) == 0;
}

static bool is_settled(const struct world *world, unsigned number, unsigned end, unsigned index)
{
	const struct world_process *process = &world->processes[number];
	const struct world_event *event = &world->streams[end].events[index];

	if (world->objects[script_object(end)].owner == number)
		return process->clocks.settled.of[event->process] >= event->time;
	return index < process->seen[end];
}

/* How many events have settled for a process, up to the first that has not and matters. */
static unsigned count_settled(const struct world *world, unsigned process, unsigned end)
{
	const struct world_stream *stream = &world->streams[end];
	unsigned i = 0;

	while (i < stream->event_count &&
	       (!is_relevant(world, end, &stream->events[i]) || is_settled(world, process, end, i)))
		i++;
	return i;
}

static bool has_settled(const struct world *world, unsigned process, unsigned end)
{
	return count_settled(world, process, end) == world->streams[end].event_count;
}

/* The same for one who reads, and may have read to the end already. */
static bool has_come(const struct world *world, unsigned process, unsigned end)
{
	return has_settled(world, process, end) ||
	       (world->processes[process].has_end[end] && world_unread(world, end) == 0);
}

/* Whether the process knows of all changes of one kind that matter. */
static bool knows(const struct world *world, const struct world_clock *known, unsigned end,
		  int change)
{
	const struct world_stream *stream = &world->streams[end];

	for (unsigned i = 0; i < stream->event_count; i++) {
		const struct world_event *event = &stream->events[i];

		if ((int)event->change == change && is_relevant(world, end, event) &&
		    known->of[event->process] < event->time)
			return false;
	}
	return true;
}

/* Who has looked at a stream must have done so before it changes. */
static bool knows_looks(const struct world_stream *stream, const struct world_clock *known)
{
	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++)
		if (known->of[i] < stream->looked[i])
			return false;
	return true;
}

static bool knows_reads(const struct world_stream *stream, const struct world_clock *known)
{
	return known->of[stream->last_reader] >= stream->last_read;
}

static const struct world_event *last_write(const struct world_stream *stream)
{
	for (unsigned i = stream->event_count; i > 0; i--)
		if (stream->events[i - 1].change == WORLD_WROTE)
			return &stream->events[i - 1];
	return NULL;
}

static bool knows_writes(const struct world_stream *stream, const struct world_clock *clock)
{
	const struct world_event *event = last_write(stream);

	return !event || clock->of[event->process] >= event->time;
}

static bool has_room_for_event(const struct world *world)
{
	for (unsigned end = 0; end < SCRIPT_ENDS; end++)
		if (world->streams[end].event_count + SCRIPT_PROCESSES + 2 > WORLD_EVENTS)
			return false;
	return true;
}

static void note(struct world *world, unsigned process, unsigned end, int change)
{
	struct world_stream *stream = &world->streams[end];

	stream->events[stream->event_count++] = (struct world_event){
		.change = change,
		.process = process,
		.time = world->processes[process].clocks.known.of[process],
		.end_position = stream->written,
		.clocks = world->processes[process].clocks,
	};
}

/* -- writing ---------------------------------------------------------------------------------- */

static bool has_no_reader(const struct world *world, unsigned end)
{
	return !is_file(world, end) &&
	       (world->streams[end].is_shut || world_holders(world, end) == 0);
}

static bool may_write(const struct world *world, const struct script_step *step)
{
	unsigned end = script_far(step->end);
	const struct world_stream *stream = &world->streams[end];
	const struct world_clocks *clocks = &world->processes[step->process].clocks;
	unsigned pages = (step->bytes + PAGE_BYTES - 1) / PAGE_BYTES;

	if (stream->is_spoilt || has_no_reader(world, end))
		return false;
	/* Writers in turn: bytes of two at once have no order, and between machines may be torn. */
	if (!knows_writes(stream, &clocks->ordered) || !knows_looks(stream, &clocks->known))
		return false;
	/* How much fits is not the same on a node; a write that waits is followed by its reader. */
	if (is_file(world, end))
		return true;
	return pages > PAGES_IN_FLIGHT ? world_unread(world, end) == 0
				       : pages_in_flight(stream) + pages <= PAGES_IN_FLIGHT;
}

/* Nobody reads, and that must be known here; `now` if the very next write is to fail. */
static bool may_write_broken(const struct world *world, const struct script_step *step, bool now)
{
	unsigned end = script_far(step->end);
	const struct world_stream *stream = &world->streams[end];
	const struct world_process *process = &world->processes[step->process];
	unsigned settled = count_settled(world, step->process, end);

	if (stream->is_spoilt || !has_no_reader(world, end))
		return false;
	if (!process->ignores_pipe_signal &&
	    (!step->process || !world_may_end(world, step->process)))
		return false;
	if (!knows(world, &process->clocks.known, end,
		   stream->is_shut ? WORLD_NO_WRITER : WORLD_NO_READER))
		return false;
	/* what is written before a shutdown is heard of would be read */
	if (!now && world_holders(world, end))
		return false;
	/* Of a socket that is shut while it is written to, Linux says EPIPE and may send no signal, or
	 * ECONNRESET if something was left in it. */
	if (!now)
		return world->objects[script_object(end)].kind != SCRIPT_SOCKETS;
	/* Two streams have no order: that nobody reads may be heard after what was said later. */
	for (; settled < stream->event_count; settled++)
		if (stream->events[settled].change != WORLD_WROTE &&
		    is_relevant(world, end, &stream->events[settled]) &&
		    !is_settled(world, step->process, end, settled))
			return false;
	return true;
}

static void write_bytes(struct world *world, struct script_step *step)
{
	unsigned end = script_far(step->end);

	struct world_stream *stream = &world->streams[end];

	step->position = stream->written;
	stream->written += step->bytes;
	if (step->bytes > PAGES_IN_FLIGHT * PAGE_BYTES) {
		stream->bulk_by = step->process;
		stream->bulk_time = world->processes[step->process].clocks.known.of[step->process];
	}
	note(world, step->process, end, WORLD_WROTE);
}

/* -- reading ---------------------------------------------------------------------------------- */

bool world_may_take(const struct world *world, unsigned number, unsigned end)
{
	const struct world_stream *stream = &world->streams[end];
	const struct world_process *process = &world->processes[number];

	if (process->state != WORLD_RUNNING || !process->copies[end] || !world_reads(world, end))
		return false;
	/* Readers take turns, tell each other, and only upwards: a child that was there while others
	 * read has seen their bytes. */
	return !stream->is_spoilt && !process->is_stale[end] &&
	       knows_reads(stream, &process->clocks.known) &&
	       knows_looks(stream, &process->clocks.known);
}

static bool may_read_once(const struct world *world, const struct script_step *step)
{
	unsigned unread = world_unread(world, step->end);

	/* The same amount only if all of it has come. */
	if (!world_may_take(world, step->process, step->end) ||
	    !has_come(world, step->process, step->end) || unread > READ_ONCE_BYTES)
		return false;
	return unread || count_writers(world, step->end) == 0 ||
	       world->objects[script_object(step->end)].is_nonblocking;
}

static bool may_look(const struct world *world, const struct script_step *step)
{
	unsigned far = script_far(step->end);
	enum script_kind kind = world->objects[script_object(step->end)].kind;

	/* A child has a pipe in place of these, of which poll(2) says other things. */
	if (kind == SCRIPT_FILE || (kind == SCRIPT_SOCKETS && is_standard(step->end)))
		return false;
	if (world_reads(world, step->end) && (!world_may_take(world, step->process, step->end) ||
					      !has_settled(world, step->process, step->end)))
		return false;
	return !world_writes(world, step->end) ||
	       (!world->streams[far].is_spoilt && has_settled(world, step->process, far));
}

/* The clocks of all whose bytes are read now. */
static void hear_writers(struct world *world, const struct script_step *step, unsigned bytes)
{
	const struct world_stream *stream = &world->streams[step->end];
	struct world_clocks *clocks = &world->processes[step->process].clocks;

	for (unsigned i = 0; i < stream->event_count; i++) {
		const struct world_event *event = &stream->events[i];
		bool is_end = event->change == WORLD_NO_WRITER && step->op == SCRIPT_READ_END;

		if (!is_end &&
		    (event->change != WORLD_WROTE || event->end_position <= stream->read))
			continue;
		if (is_ancestor(world, event->process, step->process) && !is_end)
			join_ancestor(clocks, &event->clocks);
		else
			join(&clocks->known, &event->clocks.known);
		if (!is_end && event->end_position >= stream->read + bytes)
			break;
	}
}

static void take_bytes(struct world *world, struct script_step *step)
{
	struct world_stream *stream = &world->streams[step->end];
	unsigned bytes = world_unread(world, step->end);

	if (step->op == SCRIPT_READ || (step->op == SCRIPT_READ_ONCE && bytes > step->bytes))
		bytes = step->bytes;
	step->position = stream->read;
	hear_writers(world, step, bytes);
	stream->read += bytes;
	stream->last_reader = step->process;
	stream->last_read = world->processes[step->process].clocks.known.of[step->process];
	if (step->op == SCRIPT_READ_END)
		world->processes[step->process].has_end[step->end] = true;
	if (step->op == SCRIPT_READ_ONCE || step->op == SCRIPT_REST)
		stream->looked[step->process] = (uint16_t)stream->last_read;
	for (unsigned i = 0; i < SCRIPT_PROCESSES; i++)
		if (!is_ancestor(world, i, step->process))
			world->processes[i].is_stale[step->end] = true;
}

static void look(struct world *world, struct script_step *step)
{
	unsigned far = script_far(step->end);
	struct world_process *process = &world->processes[step->process];
	uint16_t now = process->clocks.known.of[step->process];

	if (world_reads(world, step->end))
		world->streams[step->end].looked[step->process] = now;
	if (!world_writes(world, step->end))
		return;
	/* Whether there is room depends on what has been read. */
	world->streams[far].looked[step->process] = now;
	step->value = knows_reads(&world->streams[far], &process->clocks.known);
}

/* -- descriptors ------------------------------------------------------------------------------ */

/* Whether who has written or looked must have done so before the process lets go of an end. */
static bool may_leave(const struct world *world, unsigned process, const struct world_clock *known,
		      unsigned end)
{
	const struct world_stream *from = &world->streams[end];
	const struct world_stream *to = &world->streams[script_far(end)];

	if (world->processes[process].copies[end] == 0)
		return true;
	/* that may be all that is seen of a shutdown(), and who waits for that would wait for others */
	if (to->is_shut && !knows_reads(to, known))
		return false;
	if (world_holders(world, end) > 1)
		return true;
	if (world_writes(world, end) && !knows_looks(to, known))
		return false;
	return !world_reads(world, end) || (knows_writes(from, known) && knows_looks(from, known));
}

/* Whether a process or one of its descendants still holds an end. */
static bool is_held_below(const struct world *world, unsigned process, unsigned end)
{
	for (unsigned i = process; i < world->process_count; i++)
		if (is_alive(&world->processes[i]) && world->processes[i].copies[end] &&
		    is_ancestor(world, process, i))
			return true;
	return false;
}

/* Of a socket that is closed while something may be left in it, what was read last stays at home,
 * too: unless somebody there had heard before that it was read. */
static bool loses_reads(const struct world *world, unsigned closer, unsigned end)
{
	const struct world_stream *stream = &world->streams[end];
	const struct world_clock *known = &world->processes[closer].clocks.known;
	unsigned owner = world->objects[script_object(end)].owner;
	unsigned parent;

	if (!world_unread(world, end) && count_writers(world, end) == 0)
		return false;
	for (unsigned process = closer; process != owner; process = parent) {
		parent = world->processes[process].parent;
		if (!is_held_below(world, process, end) &&
		    is_ancestor(world, process, stream->last_reader) &&
		    !knows_reads(stream, &world->processes[parent].then[known->of[parent]].known))
			return true;
	}
	return false;
}

/* A shutdown() that is followed by the end of the socket cannot be told from that alone. */
static bool loses_shutdown(const struct world *world, unsigned closer, unsigned end)
{
	const struct world_stream *stream = &world->streams[script_far(end)];
	const struct world_clock *known = &world->processes[closer].clocks.known;
	unsigned owner = world->objects[script_object(end)].owner;
	unsigned parent;

	for (unsigned process = closer; stream->is_shut && process != owner; process = parent) {
		parent = world->processes[process].parent;
		if (!is_held_below(world, process, end) &&
		    is_ancestor(world, process, stream->shut_by) &&
		    world->processes[parent].then[known->of[parent]].settled.of[stream->shut_by] <
			    stream->shut_time)
			return true;
	}
	return false;
}

/* A socket that is closed with bytes in it resets the connection, and on another machine it cannot
 * be told how many had come. */
static void leave(struct world *world, unsigned process, unsigned end)
{
	if (world_reads(world, end))
		note(world, process, end, WORLD_NO_READER);
	if (world_writes(world, end))
		note(world, process, script_far(end), WORLD_NO_WRITER);
	if (world->objects[script_object(end)].kind != SCRIPT_SOCKETS || !world_reads(world, end))
		return;
	if (loses_reads(world, process, end))
		world->streams[end].is_spoilt = true;
	if (loses_shutdown(world, process, end))
		world->streams[script_far(end)].is_spoilt = true;
	if (world_holders(world, end) == 0 && world_unread(world, end))
		world->streams[end].is_spoilt = world->streams[script_far(end)].is_spoilt = true;
}

static bool may_shut(const struct world *world, const struct script_step *step)
{
	const struct world_stream *stream = &world->streams[script_far(step->end)];
	const struct world_clocks *clocks = &world->processes[step->process].clocks;

	return world->objects[script_object(step->end)].kind == SCRIPT_SOCKETS &&
	       !is_standard(step->end) && !stream->is_shut && !stream->is_spoilt &&
	       knows_writes(stream, &clocks->ordered) && knows_looks(stream, &clocks->known) &&
	       knows_looks(&world->streams[step->end], &clocks->known);
}

static void shut(struct world *world, const struct script_step *step)
{
	struct world_stream *stream = &world->streams[script_far(step->end)];

	stream->is_shut = true;
	stream->shut_by = step->process;
	stream->shut_time = world->processes[step->process].clocks.known.of[step->process];
	note(world, step->process, script_far(step->end), WORLD_NO_WRITER);
}

static void create(struct world *world, const struct script_step *step)
{
	world->objects[script_object(step->end)] = (struct world_object){
		.exists = true,
		.kind = step->kind,
		.is_nonblocking = step->value,
		.owner = step->process,
	};
	world->processes[step->process].copies[step->end] = 1;
	world->processes[step->process].copies[script_far(step->end)] = 1;
}

/* -- processes -------------------------------------------------------------------------------- */

static bool is_childless(const struct world *world, unsigned number)
{
	for (unsigned i = 1; i < SCRIPT_PROCESSES; i++)
		if (world->processes[i].parent == number &&
		    world->processes[i].state != WORLD_UNBORN &&
		    world->processes[i].state != WORLD_GONE)
			return false;
	return true;
}

static bool may_end_knowing(const struct world *world, unsigned number,
			    const struct world_clock *known)
{
	const struct world_process *process = &world->processes[number];

	/* What descendants write after the end of a remote child is lost: it waits for them. */
	if (!is_childless(world, number) || known->of[process->parent] < process->seen_alive)
		return false;
	for (unsigned end = 0; end < SCRIPT_ENDS; end++)
		if (!may_leave(world, number, known, end))
			return false;
	return true;
}

bool world_may_end(const struct world *world, unsigned process)
{
	return may_end_knowing(world, process, &world->processes[process].clocks.known);
}

static void end_process(struct world *world, unsigned number)
{
	struct world_process *process = &world->processes[number];

	for (unsigned end = 0; end < SCRIPT_ENDS; end++) {
		if (!process->copies[end])
			continue;
		process->copies[end] = 0;
		leave(world, number, end);
	}
	process->state = WORLD_ENDED;
}

static void fork_process(struct world *world, const struct script_step *step)
{
	const struct world_process *parent = &world->processes[step->process];
	struct world_process *child = &world->processes[step->other];

	*child = *parent;
	memset(child->signals, 0, sizeof(child->signals));
	memset(child->has_end, 0, sizeof(child->has_end));
	child->parent = step->process;
	child->seen_alive = 0;
	for (unsigned end = 0; end < SCRIPT_ENDS; end++) {
		child->seen[end] = count_settled(world, step->process, end);
		if (!knows_reads(&world->streams[end], &parent->clocks.known))
			child->is_stale[end] = true;
	}
	world->process_count = step->other + 1;
	tick(world, step->other);
}

static bool is_child(const struct world *world, const struct script_step *step)
{
	return step->other > 0 && step->other < world->process_count &&
	       world->processes[step->other].parent == step->process;
}

/* Only of a parked child it is certain where it is when the signal comes. */
static bool may_kill(const struct world *world, const struct script_step *step)
{
	const struct world_process *victim = &world->processes[step->other];
	const struct world_clocks *clocks = &world->processes[step->process].clocks;
	struct world_clock known = victim->clocks.known;
	uint16_t last = victim->clocks.known.of[step->other];

	if (!is_child(world, step) || victim->state != WORLD_PARKED)
		return false;
	/* SIGKILL ends the ghost at once, and what has not come then is lost. */
	if ((step->signal == SIGKILL ? clocks->settled : clocks->known).of[step->other] < last)
		return false;
	join(&known, &clocks->known);
	return may_end_knowing(world, step->other, &known);
}

/* -- signals and stops ------------------------------------------------------------------------ */

/* On a node only parent and children have the pids that are known at home. */
static bool may_send(const struct world *world, const struct script_step *step)
{
	const struct world_process *target = &world->processes[step->other];
	const struct world_process *process = &world->processes[step->process];

	/* One at a time: two that are pending at once may have become one. */
	if (step->other >= world->process_count || target->signals[step->signal].is_sent ||
	    process->clocks.known.of[step->other] < target->signals[step->signal].awaited)
		return false;
	if (is_child(world, step))
		return target->state == WORLD_RUNNING || target->state == WORLD_STOPPED;
	return step->process && step->other == process->parent && target->state == WORLD_RUNNING;
}

static void lower(struct world_clock *clock, unsigned process, unsigned time)
{
	if (clock->of[process] >= time)
		clock->of[process] = (uint16_t)(time - 1);
}

/* A signal overtakes what the original has no room for. */
static void leave_bulk_behind(const struct world *world, struct world_clocks *clocks)
{
	for (unsigned end = 0; end < SCRIPT_ENDS; end++) {
		const struct world_stream *stream = &world->streams[end];

		if (!stream->bulk_time || knows_reads(stream, &clocks->known))
			continue;
		lower(&clocks->settled, stream->bulk_by, stream->bulk_time);
		lower(&clocks->ordered, stream->bulk_by, stream->bulk_time);
	}
}

static void send_signal(struct world *world, const struct script_step *step)
{
	struct world_signal *signal = &world->processes[step->other].signals[step->signal];

	signal->is_sent = true;
	signal->sender = step->process;
	signal->value = step->value;
	signal->clocks = world->processes[step->process].clocks;
	leave_bulk_behind(world, &signal->clocks);
}

static void await_signal(struct world *world, struct script_step *step)
{
	struct world_process *process = &world->processes[step->process];
	struct world_signal *signal = &process->signals[step->signal];

	signal->is_sent = false;
	signal->awaited = process->clocks.known.of[step->process];
	step->value = signal->value;
	if (signal->sender > step->process)
		join_all(&process->clocks, &signal->clocks);
	else
		join_ancestor(&process->clocks, &signal->clocks);
}

/* Nothing passes a ghost that is stopped: what goes through it has come before. */
static bool has_quiet_descendants(const struct world *world, unsigned number)
{
	const struct world_clock *settled = &world->processes[number].clocks.settled;

	for (unsigned i = number + 1; i < world->process_count; i++) {
		const struct world_process *process = &world->processes[i];

		if (process->state != WORLD_GONE && is_ancestor(world, number, i) &&
		    (process->state == WORLD_RUNNING ||
		     settled->of[i] < process->clocks.known.of[i]))
			return false;
	}
	return true;
}

static bool may_stop(const struct world *world, const struct script_step *step)
{
	const struct world_process *process = &world->processes[step->process];

	return step->process && world->processes[process->parent].state == WORLD_RUNNING &&
	       has_quiet_descendants(world, step->process) &&
	       process->clocks.known.of[process->parent] >= process->seen_alive;
}

static void go_on(struct world *world, const struct script_step *step)
{
	struct world_process *child = &world->processes[step->other];

	child->state = WORLD_RUNNING;
	join_ancestor(&child->clocks, &world->processes[step->process].clocks);
	/* that the parent has heard of it, the child does not know */
	child->clocks.known.of[step->process]--;
}

/* -- all steps -------------------------------------------------------------------------------- */

void world_begin(struct world *world, const struct script *script)
{
	struct world_process *root = &world->processes[0];

	memset(world, 0, sizeof(*world));
	world->process_count = 1;
	root->state = WORLD_RUNNING;
	world->objects[0] = (struct world_object){ .exists = true, .kind = script->input };
	world->objects[1] = (struct world_object){ .exists = true, .kind = script->output };
	root->copies[SCRIPT_INPUT] = root->copies[SCRIPT_OUTPUT] = 1;
	if (script->input == SCRIPT_FILE)
		world->streams[SCRIPT_INPUT].written = script->input_bytes;
	else
		root->copies[script_far(SCRIPT_INPUT)] = 1;
	if (script->output != SCRIPT_FILE)
		root->copies[script_far(SCRIPT_OUTPUT)] = 1;
}

static bool allows_on_end(const struct world *world, const struct script_step *step)
{
	const struct world_process *process = &world->processes[step->process];
	bool writes = world_writes(world, step->end);

	if (!process->copies[step->end])
		return false;
	switch (step->op) {
	case SCRIPT_COPY:
		return process->copies[step->end] < SCRIPT_COPIES;
	case SCRIPT_CLOSE:
		return process->copies[step->end] > 1 ||
		       may_leave(world, step->process, &process->clocks.known, step->end);
	case SCRIPT_SHUT:
		return may_shut(world, step);
	case SCRIPT_WRITE:
		return writes && may_write(world, step);
	case SCRIPT_WRITE_BROKEN:
		return writes && may_write_broken(world, step, true);
	case SCRIPT_WRITE_UNTIL_BROKEN:
		return writes && may_write_broken(world, step, false);
	case SCRIPT_READ:
		return world_may_take(world, step->process, step->end) && step->bytes &&
		       step->bytes <= world_unread(world, step->end);
	case SCRIPT_READ_END:
		return world_may_take(world, step->process, step->end) &&
		       count_writers(world, step->end) == 0;
	case SCRIPT_READ_ONCE:
		return may_read_once(world, step);
	case SCRIPT_LOOK:
		return may_look(world, step);
	case SCRIPT_REST:
		return world_may_take(world, step->process, step->end) &&
		       has_settled(world, step->process, step->end);
	default:
		return false;
	}
}

static bool allows_between(const struct world *world, const struct script_step *step)
{
	const struct world_process *process = &world->processes[step->process];
	const struct world_process *other = &world->processes[step->other];

	switch (step->op) {
	case SCRIPT_CREATE:
		return step->end % 2 == 0 && !world->objects[script_object(step->end)].exists;
	case SCRIPT_FORK:
		return step->other == world->process_count && step->other < SCRIPT_PROCESSES;
	case SCRIPT_EXIT:
	case SCRIPT_DIE:
		return world_may_end(world, step->process);
	case SCRIPT_WAIT:
		return is_child(world, step) && other->state == WORLD_ENDED;
	case SCRIPT_ALIVE:
		return is_child(world, step) && is_alive(other);
	case SCRIPT_PARK:
		return step->process && is_childless(world, step->process);
	case SCRIPT_KILL:
		return may_kill(world, step);
	case SCRIPT_SEND:
		return may_send(world, step);
	case SCRIPT_AWAIT:
		return process->signals[step->signal].is_sent &&
		       process->signals[step->signal].sender == step->other;
	case SCRIPT_STOP:
		return may_stop(world, step);
	case SCRIPT_AWAIT_STOP:
		return is_child(world, step) && other->state == WORLD_STOPPED &&
		       !other->is_stop_told;
	case SCRIPT_CONTINUE:
		return is_child(world, step) && other->state == WORLD_STOPPED &&
		       other->is_stop_told;
	case SCRIPT_FREEZE:
		return is_child(world, step) && other->state == WORLD_RUNNING;
	default:
		return step->op == SCRIPT_PIPE_SIGNAL;
	}
}

bool world_allows(const struct world *world, const struct script_step *step)
{
	if (world->processes[step->process].state != WORLD_RUNNING || !has_room_for_event(world))
		return false;
	if (step->op > SCRIPT_CREATE && step->op < SCRIPT_FORK)
		return allows_on_end(world, step);
	return allows_between(world, step);
}

static void apply_on_end(struct world *world, struct script_step *step)
{
	struct world_process *process = &world->processes[step->process];

	switch (step->op) {
	case SCRIPT_COPY:
		process->copies[step->end]++;
		return;
	case SCRIPT_CLOSE:
		if (--process->copies[step->end] == 0)
			leave(world, step->process, step->end);
		return;
	case SCRIPT_SHUT:
		shut(world, step);
		return;
	case SCRIPT_WRITE:
		write_bytes(world, step);
		return;
	case SCRIPT_WRITE_BROKEN:
	case SCRIPT_WRITE_UNTIL_BROKEN:
		if (!process->ignores_pipe_signal)
			end_process(world, step->process);
		return;
	case SCRIPT_LOOK:
		look(world, step);
		return;
	default:
		take_bytes(world, step);
	}
}

static void apply_between(struct world *world, struct script_step *step)
{
	struct world_process *process = &world->processes[step->process];
	struct world_process *other = &world->processes[step->other];

	switch (step->op) {
	case SCRIPT_CREATE:
		create(world, step);
		return;
	case SCRIPT_FORK:
		fork_process(world, step);
		return;
	case SCRIPT_EXIT:
	case SCRIPT_DIE:
		end_process(world, step->process);
		return;
	case SCRIPT_WAIT:
		other->state = WORLD_GONE;
		join_all(&process->clocks, &other->clocks);
		return;
	case SCRIPT_PARK:
		process->state = WORLD_PARKED;
		return;
	case SCRIPT_KILL:
		join_ancestor(&other->clocks, &process->clocks);
		tick(world, step->other);
		end_process(world, step->other);
		return;
	case SCRIPT_SEND:
		send_signal(world, step);
		return;
	case SCRIPT_AWAIT:
		await_signal(world, step);
		return;
	case SCRIPT_STOP:
		process->state = WORLD_STOPPED;
		process->is_stop_told = false;
		return;
	case SCRIPT_AWAIT_STOP:
		other->is_stop_told = true;
		join_all(&process->clocks, &other->clocks);
		return;
	case SCRIPT_CONTINUE:
		go_on(world, step);
		break;
	case SCRIPT_PIPE_SIGNAL:
		process->ignores_pipe_signal = step->value;
		return;
	default:
		break;
	}
	/* ALIVE, CONTINUE, FREEZE: it must not end before */
	other->seen_alive = process->clocks.known.of[step->process];
}

void world_apply(struct world *world, struct script_step *step)
{
	const struct world_clocks *clocks;

	if (step->op != SCRIPT_PARK) /* who parks does nothing any more that could be heard */
		tick(world, step->process);
	if (step->op > SCRIPT_CREATE && step->op < SCRIPT_FORK)
		apply_on_end(world, step);
	else
		apply_between(world, step);
	clocks = &world->processes[step->process].clocks;
	world->processes[step->process].then[clocks->known.of[step->process]] = *clocks;
}
