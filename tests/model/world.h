/* SPDX-License-Identifier: MIT */
/*
 * What is true after the steps of a script so far, as far as it decides which step may come next.
 * A step is allowed if what its process sees does not depend on who is faster: neither after
 * fork(2), nor after rfork(3), of which rfork.7 says what it does not keep.
 *
 * Three clocks say what happened before what:
 *   known    the process can only be here if that has happened, after fork(2);
 *   settled  and all its effects on streams have come to this process's own machine;
 *   ordered  and what this process writes from now on comes after it in every stream.
 * All three pass at a fork, and when a parent hears of a child's end, stop or signal.  What a
 * process reads makes known who wrote it, and comes from its ancestors in order, but says nothing
 * of other streams.
 */
#ifndef TEST_MODEL_WORLD_H
#define TEST_MODEL_WORLD_H

#include "tests/model/script.h"

#define WORLD_EVENTS 256

struct world_clock {
	uint16_t of[SCRIPT_PROCESSES];
};

/* What processes have told of themselves at some moment. */
struct world_clocks {
	struct world_clock known, settled, ordered;
};

/* A change of a stream. */
struct world_event {
	enum { WORLD_WROTE, WORLD_NO_WRITER, WORLD_NO_READER } change;
	unsigned process;
	unsigned time;
	unsigned end_position; /* of what was written */
	struct world_clocks clocks;
};

/* The bytes that one end reads and its far end writes. */
struct world_stream {
	unsigned written, read;
	unsigned event_count;
	struct world_event events[WORLD_EVENTS];
	unsigned last_reader, last_read;   /* process and its time */
	uint16_t looked[SCRIPT_PROCESSES]; /* when each last looked at it */
	bool is_shut;			   /* by shutdown(2) */
	unsigned shut_by, shut_time;
	unsigned bulk_by, bulk_time; /* the last write of more than fits */
	bool is_spoilt;		     /* what is seen there depends on how far bytes had come */
};

struct world_signal {
	bool is_sent;
	unsigned sender;
	int value;
	uint16_t awaited; /* the receiver's time when it took the last one */
	struct world_clocks clocks;
};

enum world_state {
	WORLD_UNBORN,
	WORLD_RUNNING,
	WORLD_STOPPED,
	WORLD_PARKED,
	WORLD_ENDED,
	WORLD_GONE
};

struct world_process {
	enum world_state state;
	unsigned parent;
	struct world_clocks clocks;
	bool ignores_pipe_signal;
	bool is_stop_told;
	uint16_t seen_alive; /* the parent's time at which it must not have ended */
	unsigned copies[SCRIPT_ENDS];
	unsigned seen[SCRIPT_ENDS]; /* events of each stream that had settled at its birth */
	bool is_stale[SCRIPT_ENDS]; /* has seen bytes of the stream that somebody else has taken */
	bool has_end[SCRIPT_ENDS];  /* has read to the end */
	struct world_signal signals[65];
	struct world_clocks then[SCRIPT_STEPS]; /* its clocks at each of its times */
};

struct world_object {
	bool exists;
	enum script_kind kind;
	bool is_nonblocking;
	unsigned owner; /* on whose machine the original is */
};

struct world {
	struct world_process processes[SCRIPT_PROCESSES];
	struct world_object objects[SCRIPT_OBJECTS];
	struct world_stream streams[SCRIPT_ENDS]; /* by the end that reads */
	unsigned process_count;
};

void world_begin(struct world *world, const struct script *script);

/* Whether the step may come next. */
bool world_allows(const struct world *world, const struct script_step *step);

/* Makes it the next, and fills in what follows from the world: its positions. */
void world_apply(struct world *world, struct script_step *step);

/* Bytes that are written and not read. */
unsigned world_unread(const struct world *world, unsigned end);

/* How many processes hold the end. */
unsigned world_holders(const struct world *world, unsigned end);

/* Whether an end can be read from or written to at all. */
bool world_reads(const struct world *world, unsigned end);
bool world_writes(const struct world *world, unsigned end);

/* Whether the process may read from the end, if there is something. */
bool world_may_take(const struct world *world, unsigned process, unsigned end);

/* Whether all has been heard that the process must know before it may end. */
bool world_may_end(const struct world *world, unsigned process);

#endif
