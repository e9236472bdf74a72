/* SPDX-License-Identifier: MIT */
/*
 * The text of a script, and the bytes of its streams.  Called when something went wrong, and by
 * the actors.
 */
#define _GNU_SOURCE
#include "tests/model/script.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

unsigned char script_byte(uint64_t seed, unsigned end, unsigned position)
{
	uint64_t mixed = (seed ^ (uint64_t)end << 40 ^ position) * 0x9e3779b97f4a7c15u;

	return (unsigned char)(mixed >> 48 ^ mixed >> 24);
}

static const char *name_kind(enum script_kind kind)
{
	static const char *const names[] = { [SCRIPT_PIPE] = "pipe",
					     [SCRIPT_FIFO] = "fifo",
					     [SCRIPT_SOCKETS] = "socketpair",
					     [SCRIPT_FILE] = "file" };

	return names[kind];
}

/* Side a of object 3 is end 3a. */
static const char *name_end(unsigned end)
{
	static char names[4][12];
	static unsigned turn;
	char *name = names[turn++ % 4];

	snprintf(name, sizeof(names[0]), "%u%c", script_object(end), 'a' + (int)(end % 2));
	return name;
}

static const char *name_signal(int signal)
{
	static char text[16];
	const char *name = sigabbrev_np(signal);

	if (name)
		snprintf(text, sizeof(text), "SIG%s", name);
	else
		snprintf(text, sizeof(text), "signal %d", signal);
	return text;
}

static void describe_stream(const struct script_step *step, char *text, size_t bytes)
{
	const char *end = name_end(step->end);

	switch (step->op) {
	case SCRIPT_CREATE:
		snprintf(text, bytes, "makes %s %s and %s%s", name_kind(step->kind), end,
			 name_end(script_far(step->end)), step->value ? ", O_NONBLOCK" : "");
		return;
	case SCRIPT_COPY:
		snprintf(text, bytes, "duplicates %s%s", end, step->value ? ", close-on-exec" : "");
		return;
	case SCRIPT_CLOSE:
		snprintf(text, bytes, "closes %s", end);
		return;
	case SCRIPT_SHUT:
		snprintf(text, bytes, "shuts %s down for writing", end);
		return;
	case SCRIPT_WRITE:
		snprintf(text, bytes, "writes %u bytes from byte %u on to %s", step->bytes,
			 step->position, end);
		return;
	case SCRIPT_WRITE_BROKEN:
		snprintf(text, bytes, "writes to %s, which nobody reads", end);
		return;
	case SCRIPT_WRITE_UNTIL_BROKEN:
		snprintf(text, bytes, "writes to %s until it fails", end);
		return;
	case SCRIPT_READ:
		snprintf(text, bytes, "reads %u bytes from byte %u on of %s", step->bytes,
			 step->position, end);
		return;
	case SCRIPT_READ_END:
		snprintf(text, bytes, "reads %s to its end from byte %u on", end, step->position);
		return;
	case SCRIPT_READ_ONCE:
		snprintf(text, bytes, "reads at most %u bytes at byte %u of %s, once", step->bytes,
			 step->position, end);
		return;
	case SCRIPT_LOOK:
		snprintf(text, bytes, "looks at %s", end);
		return;
	default:
		snprintf(text, bytes, "reads what is left in %s from byte %u on", end,
			 step->position);
	}
}

static void describe_process(const struct script_step *step, char *text, size_t bytes)
{
	const char *signal = name_signal(step->signal);

	switch (step->op) {
	case SCRIPT_FORK:
		snprintf(text, bytes, "forks p%u", step->other);
		return;
	case SCRIPT_EXIT:
		snprintf(text, bytes, "exits with %d", step->value);
		return;
	case SCRIPT_DIE:
		snprintf(text, bytes, "dies by its own %s", signal);
		return;
	case SCRIPT_WAIT:
		snprintf(text, bytes, "waits for the end of p%u", step->other);
		return;
	case SCRIPT_ALIVE:
		snprintf(text, bytes, "sees that p%u has not ended", step->other);
		return;
	case SCRIPT_PARK:
		snprintf(text, bytes, "waits to be killed");
		return;
	case SCRIPT_KILL:
		snprintf(text, bytes, "kills p%u by %s", step->other, signal);
		return;
	case SCRIPT_SEND:
		if (step->value < 0)
			snprintf(text, bytes, "sends %s to p%u", signal, step->other);
		else
			snprintf(text, bytes, "queues %s with %d to p%u", signal, step->value,
				 step->other);
		return;
	case SCRIPT_AWAIT:
		snprintf(text, bytes, "waits for %s of p%u", signal, step->other);
		return;
	case SCRIPT_STOP:
		snprintf(text, bytes, "stops itself by %s", signal);
		return;
	case SCRIPT_AWAIT_STOP:
		snprintf(text, bytes, "waits until p%u has stopped", step->other);
		return;
	case SCRIPT_CONTINUE:
		snprintf(text, bytes, "continues p%u", step->other);
		return;
	case SCRIPT_FREEZE:
		snprintf(text, bytes, "stops p%u by SIGSTOP and continues it", step->other);
		return;
	default:
		snprintf(text, bytes, step->value ? "ignores SIGPIPE" : "lets SIGPIPE kill");
	}
}

void script_describe(const struct script *script, unsigned number, char *text, size_t bytes)
{
	const struct script_step *step = &script->steps[number];

	snprintf(text, bytes, "%3u p%u ", number, step->process);
	if (strlen(text) >= bytes)
		return;
	if (step->op < SCRIPT_FORK)
		describe_stream(step, text + strlen(text), bytes - strlen(text));
	else
		describe_process(step, text + strlen(text), bytes - strlen(text));
}

void script_print(const struct script *script, int fd)
{
	char text[128];

	dprintf(fd, "    standard input 0a: %s", name_kind(script->input));
	if (script->input == SCRIPT_FILE)
		dprintf(fd, " of %u bytes", script->input_bytes);
	dprintf(fd, ", standard output 1b: %s\n", name_kind(script->output));
	for (unsigned i = 0; i < script->count; i++) {
		script_describe(script, i, text, sizeof(text));
		dprintf(fd, "    %s\n", text);
	}
}
