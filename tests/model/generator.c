/* SPDX-License-Identifier: MIT */
/*
 * Makes scripts: proposes steps at random, and takes those that the world allows.  Called by the
 * test.  At the end everybody hears of everybody, ends, and the root reads what is left.
 */
#define _GNU_SOURCE
#include "tests/model/generator.h"

#include <signal.h>
#include <string.h>

#include "tests/model/world.h"
#include "tests/support/test.h"

#define PROPOSALS 60
#define LAST_STEPS (SCRIPT_PROCESSES * 8 + SCRIPT_ENDS * SCRIPT_COPIES * 2)
#define BULK_BYTES 400000u

/* Blocked in all processes, and waited for. */
static const int told_signals[] = { SIGUSR1, SIGUSR2, SIGWINCH, 36, 37, 50 };
#define SIGNAL_UP 52 /* those of the last steps: one for each child */
#define SIGNAL_DOWN 60
static const int deadly_signals[] = { SIGTERM, SIGHUP, SIGINT,	  SIGQUIT, SIGALRM, SIGSEGV,
				      SIGBUS,  SIGIO,  SIGVTALRM, 40,	   64,	    SIGKILL };
static const int stop_signals[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

struct generator {
	struct script *script;
	struct world world;
	uint64_t random;
	bool has_freezes;
};

static unsigned below(struct generator *g, unsigned limit)
{
	return (unsigned)(test_random(&g->random) % limit);
}

static bool one_in(struct generator *g, unsigned count)
{
	return below(g, count) == 0;
}

#define ANY(g, list) ((list)[below(g, sizeof(list) / sizeof((list)[0]))])

static bool add(struct generator *g, struct script_step step)
{
	if (g->script->count >= SCRIPT_STEPS || !world_allows(&g->world, &step))
		return false;
	world_apply(&g->world, &step);
	g->script->steps[g->script->count++] = step;
	return true;
}

/* -- proposals -------------------------------------------------------------------------------- */

static unsigned any_size(struct generator *g)
{
	static const unsigned sizes[] = { 1,	2,    7,    100,  511,	512,
					  1000, 4095, 4096, 4097, 9000, 20000 };

	return ANY(g, sizes);
}

/* An end that the process holds, or SCRIPT_ENDS. */
static unsigned any_end(struct generator *g, unsigned process)
{
	unsigned held[SCRIPT_ENDS], count = 0;

	for (unsigned end = 0; end < SCRIPT_ENDS; end++)
		if (g->world.processes[process].copies[end])
			held[count++] = end;
	return count ? held[below(g, count)] : SCRIPT_ENDS;
}

/* One that holds bytes to be read, if there is one. */
static unsigned any_full_end(struct generator *g, unsigned process)
{
	unsigned held[SCRIPT_ENDS], count = 0;

	for (unsigned end = 0; end < SCRIPT_ENDS; end++)
		if (g->world.processes[process].copies[end] && world_reads(&g->world, end) &&
		    world_unread(&g->world, end))
			held[count++] = end;
	return count ? held[below(g, count)] : any_end(g, process);
}

static bool propose_create(struct generator *g, struct script_step step)
{
	static const unsigned kinds[] = { SCRIPT_PIPE, SCRIPT_PIPE, SCRIPT_SOCKETS, SCRIPT_SOCKETS,
					  SCRIPT_FIFO };

	step.op = SCRIPT_CREATE;
	step.kind = ANY(g, kinds);
	step.value = one_in(g, 4);
	step.end = 4;
	while (step.end < SCRIPT_ENDS && g->world.objects[script_object(step.end)].exists)
		step.end += 2;
	return step.end < SCRIPT_ENDS && add(g, step);
}

static bool propose_fork(struct generator *g, struct script_step step)
{
	step.op = SCRIPT_FORK;
	step.other = g->world.process_count;
	return add(g, step);
}

/* A write that waits for its reader, which comes next. */
static bool propose_bulk(struct generator *g, struct script_step step)
{
	struct script_step reading = step;

	step.op = SCRIPT_WRITE;
	step.end = any_end(g, step.process);
	reading.op = SCRIPT_READ;
	reading.process = below(g, g->world.process_count);
	if (step.end == SCRIPT_ENDS || reading.process == step.process)
		return false;
	reading.end = script_far(step.end);
	/* allowed already if there were a byte */
	step.bytes = reading.bytes = 1;
	if (!world_writes(&g->world, step.end) ||
	    !world_may_take(&g->world, reading.process, reading.end) ||
	    world_unread(&g->world, reading.end))
		return false;
	step.bytes = reading.bytes = 50000 + below(g, BULK_BYTES);
	return g->script->count + 2 <= SCRIPT_STEPS && add(g, step) && add(g, reading);
}

static bool propose_stream_step(struct generator *g, struct script_step step)
{
	static const enum script_op ops[] = {
		SCRIPT_WRITE,
		SCRIPT_WRITE,
		SCRIPT_WRITE,
		SCRIPT_WRITE,
		SCRIPT_READ,
		SCRIPT_READ,
		SCRIPT_READ,
		SCRIPT_READ_END,
		SCRIPT_READ_ONCE,
		SCRIPT_READ_ONCE,
		SCRIPT_LOOK,
		SCRIPT_LOOK,
		SCRIPT_COPY,
		SCRIPT_CLOSE,
		SCRIPT_CLOSE,
		SCRIPT_CLOSE,
		SCRIPT_SHUT,
		SCRIPT_WRITE_BROKEN,
		SCRIPT_WRITE_UNTIL_BROKEN,
	};
	bool reads;

	step.op = ANY(g, ops);
	reads = step.op == SCRIPT_READ || step.op == SCRIPT_READ_ONCE;
	step.end = reads ? any_full_end(g, step.process) : any_end(g, step.process);
	if (step.end == SCRIPT_ENDS)
		return false;
	step.bytes = any_size(g);
	if (reads && one_in(g, 2))
		step.bytes = world_unread(&g->world, step.end);
	if (step.op == SCRIPT_READ && step.bytes > world_unread(&g->world, step.end))
		step.bytes = 1 + world_unread(&g->world, step.end) / 2;
	if (step.op == SCRIPT_READ_ONCE && !step.bytes)
		step.bytes = any_size(g);
	step.value = step.op == SCRIPT_COPY && one_in(g, 2);
	return add(g, step);
}

static bool propose_send(struct generator *g, struct script_step step)
{
	step.op = SCRIPT_SEND;
	step.other = one_in(g, 2) ? g->world.processes[step.process].parent
				  : below(g, g->world.process_count);
	step.signal = ANY(g, told_signals);
	step.value = one_in(g, 2) ? -1 : (int)below(g, 1000000);
	return add(g, step);
}

/* For any signal that is under way to the process. */
static bool propose_await(struct generator *g, struct script_step step)
{
	const struct world_process *process = &g->world.processes[step.process];
	unsigned first = below(g, sizeof(told_signals) / sizeof(told_signals[0]));

	step.op = SCRIPT_AWAIT;
	for (unsigned i = 0; i < sizeof(told_signals) / sizeof(told_signals[0]); i++) {
		step.signal =
			told_signals[(first + i) % (sizeof(told_signals) / sizeof(told_signals[0]))];
		step.other = process->signals[step.signal].sender;
		if (process->signals[step.signal].is_sent && add(g, step))
			return true;
	}
	return false;
}

static bool propose_end(struct generator *g, struct script_step step)
{
	if (!step.process)
		return false;
	step.op = one_in(g, 3) ? SCRIPT_DIE : SCRIPT_EXIT;
	if (step.op == SCRIPT_DIE)
		step.signal = ANY(g, deadly_signals);
	else
		step.value = (int)below(g, 256);
	/* Its last bytes are lost with the ghost, if that is what is killed: not here. */
	return add(g, step);
}

/* The child says that it has done all it will do. */
static bool propose_park(struct generator *g, struct script_step step)
{
	struct script_step park = { .op = SCRIPT_PARK, .process = step.process };
	unsigned parent = g->world.processes[step.process].parent;

	if (!step.process || !world_allows(&g->world, &park))
		return false;
	step.op = SCRIPT_SEND;
	step.other = parent;
	step.signal = ANY(g, told_signals);
	step.value = -1;
	return add(g, step) && add(g, park);
}

static bool propose_about_child(struct generator *g, struct script_step step)
{
	static const enum script_op ops[] = { SCRIPT_WAIT,	 SCRIPT_WAIT,	  SCRIPT_ALIVE,
					      SCRIPT_AWAIT_STOP, SCRIPT_CONTINUE, SCRIPT_KILL,
					      SCRIPT_KILL,	 SCRIPT_FREEZE };

	step.op = ANY(g, ops);
	step.other = below(g, g->world.process_count);
	if (step.op == SCRIPT_KILL)
		step.signal = ANY(g, deadly_signals);
	if (step.op == SCRIPT_FREEZE && (!g->has_freezes || !one_in(g, 4)))
		return false;
	return add(g, step);
}

static bool propose_stop(struct generator *g, struct script_step step)
{
	step.op = SCRIPT_STOP;
	step.signal = ANY(g, stop_signals);
	return add(g, step);
}

static bool propose_pipe_signal(struct generator *g, struct script_step step)
{
	step.op = SCRIPT_PIPE_SIGNAL;
	step.value = !g->world.processes[step.process].ignores_pipe_signal;
	return add(g, step);
}

/* One choice, of one step or two. */
static void choose(struct generator *g)
{
	static const struct {
		unsigned weight;
		bool (*propose)(struct generator *g, struct script_step step);
	} kinds[] = {
		{ 40, propose_stream_step }, { 8, propose_about_child }, { 6, propose_send },
		{ 8, propose_await },	     { 6, propose_fork },	 { 4, propose_create },
		{ 3, propose_end },	     { 2, propose_park },	 { 2, propose_stop },
		{ 2, propose_bulk },	     { 1, propose_pipe_signal },
	};
	unsigned total = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		total += kinds[i].weight;
	for (int tries = 0; tries < PROPOSALS; tries++) {
		struct script_step step = { .process = below(g, g->world.process_count) };
		unsigned at = below(g, total);
		size_t i = 0;

		for (; at >= kinds[i].weight; i++)
			at -= kinds[i].weight;
		if (g->world.processes[step.process].state == WORLD_RUNNING &&
		    kinds[i].propose(g, step))
			return;
	}
}

/* -- the last steps --------------------------------------------------------------------------- */

/* The rules are made so that these are always allowed. */
static void must_add(struct generator *g, struct script_step step)
{
	char text[128] = "";

	if (add(g, step))
		return;
	script_print(g->script, 2);
	g->script->steps[g->script->count < SCRIPT_STEPS ? g->script->count : 0] = step;
	script_describe(g->script, g->script->count, text, sizeof(text));
	test_fail(__FILE__, __LINE__, "seed %#llx: not allowed: %s",
		  (unsigned long long)g->script->seed, text);
}

static void wake_all(struct generator *g)
{
	for (unsigned i = 1; i < g->world.process_count; i++) {
		struct script_step step = { .process = g->world.processes[i].parent, .other = i };

		if (g->world.processes[i].state != WORLD_STOPPED)
			continue;
		step.op = SCRIPT_AWAIT_STOP;
		if (!g->world.processes[i].is_stop_told)
			must_add(g, step);
		step.op = SCRIPT_CONTINUE;
		must_add(g, step);
	}
}

static void tell(struct generator *g, unsigned from, unsigned to, int signal)
{
	must_add(g, (struct script_step){ .op = SCRIPT_SEND,
					  .process = from,
					  .other = to,
					  .signal = signal,
					  .value = (int)from });
	must_add(g, (struct script_step){
			    .op = SCRIPT_AWAIT, .process = to, .other = from, .signal = signal });
}

/* What was to be heard of a parked child. */
static void hear_parked(struct generator *g, unsigned child)
{
	unsigned parent = g->world.processes[child].parent;

	for (int signal = 1; signal < 65; signal++) {
		const struct world_signal *sent = &g->world.processes[parent].signals[signal];

		if (sent->is_sent && sent->sender == child)
			must_add(g, (struct script_step){ .op = SCRIPT_AWAIT,
							  .process = parent,
							  .other = child,
							  .signal = signal });
	}
}

/* Upwards and downwards again: after that everybody knows of everything. */
static void gather(struct generator *g)
{
	for (unsigned i = g->world.process_count; i-- > 1;) {
		const struct world_process *process = &g->world.processes[i];

		if (process->state == WORLD_RUNNING)
			tell(g, i, process->parent, SIGNAL_UP + (int)i);
		else if (process->state == WORLD_PARKED)
			hear_parked(g, i);
		else if (process->state == WORLD_ENDED)
			must_add(g, (struct script_step){ .op = SCRIPT_WAIT,
							  .process = process->parent,
							  .other = i });
	}
	for (unsigned i = 1; i < g->world.process_count; i++)
		if (g->world.processes[i].state == WORLD_RUNNING)
			tell(g, g->world.processes[i].parent, i, SIGNAL_DOWN);
}

/* Where it is not known that all a child wrote has come, SIGKILL is not allowed. */
static void kill_parked(struct generator *g, unsigned child)
{
	struct script_step step = { .op = SCRIPT_KILL,
				    .process = g->world.processes[child].parent,
				    .other = child,
				    .signal = ANY(g, deadly_signals) };

	if (step.signal == SIGKILL && !world_allows(&g->world, &step))
		step.signal = SIGTERM;
	must_add(g, step);
}

static void end_all(struct generator *g)
{
	for (unsigned i = g->world.process_count; i-- > 1;) {
		const struct world_process *process = &g->world.processes[i];
		unsigned parent = process->parent;

		if (process->state == WORLD_GONE)
			continue;
		if (process->state == WORLD_RUNNING)
			must_add(g, (struct script_step){ .op = SCRIPT_EXIT,
							  .process = i,
							  .value = (int)below(g, 256) });
		else
			kill_parked(g, i);
		must_add(g,
			 (struct script_step){ .op = SCRIPT_WAIT, .process = parent, .other = i });
	}
}

/* What nobody has read must still be there. */
static void read_the_rest(struct generator *g)
{
	const struct world_process *root = &g->world.processes[0];

	for (unsigned end = 0; end < SCRIPT_ENDS; end++)
		while (root->copies[end] && !world_reads(&g->world, end))
			must_add(g, (struct script_step){ .op = SCRIPT_CLOSE, .end = end });
	for (unsigned end = 0; end < SCRIPT_ENDS; end++)
		if (root->copies[end])
			add(g, (struct script_step){ .op = SCRIPT_REST, .end = end });
	must_add(g, (struct script_step){ .op = SCRIPT_EXIT });
}

/* -- the whole -------------------------------------------------------------------------------- */

struct generator_order generator_order(uint64_t seed)
{
	uint64_t random = seed;

	return (struct generator_order){
		.seed = seed,
		.choices = 8 + (unsigned)(test_random(&random) % (GENERATOR_CHOICES - 7)),
		.has_freezes = test_random(&random) % 40 == 0,
	};
}

static void begin(struct generator *g, struct script *script)
{
	static const enum script_kind kinds[] = { SCRIPT_FILE, SCRIPT_FILE, SCRIPT_PIPE,
						  SCRIPT_FIFO, SCRIPT_SOCKETS };

	script->input = ANY(g, kinds);
	script->output = ANY(g, kinds);
	script->input_bytes = any_size(g);
	script->count = 0;
	g->script = script;
	world_begin(&g->world, script);
}

void generator_make(struct script *script, const struct generator_order *order)
{
	static struct generator g;

	g.random = order->seed;
	g.has_freezes = order->has_freezes;
	script->seed = order->seed;
	begin(&g, script);
	for (unsigned i = 0; i < order->choices; i++) {
		/* from the number of the choice: those that are left out do not change it */
		g.random = order->seed ^ (i + 1) * 0xd1342543de82ef95u;
		if (script->count + LAST_STEPS < SCRIPT_STEPS && !(order->without >> i & 1))
			choose(&g);
	}
	wake_all(&g);
	gather(&g);
	end_all(&g);
	read_the_rest(&g);
}
