/* SPDX-License-Identifier: MIT */
/*
 * A script: what a handful of processes do to each other and to their pipes, one step after the
 * other.  Every process runs its own steps in this order and waits for others only inside a step,
 * so one order is written down here and any number of them happen.
 */
#ifndef TEST_MODEL_SCRIPT_H
#define TEST_MODEL_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_PROCESSES 6 /* number 0 is the root, which makes the others */
#define SCRIPT_OBJECTS 8   /* 0 and 1 are standard input and output of the root */
#define SCRIPT_ENDS (2 * SCRIPT_OBJECTS)
#define SCRIPT_COPIES 3 /* descriptors that a process has of one end */
#define SCRIPT_STEPS 512

enum script_kind {
	SCRIPT_PIPE,
	SCRIPT_FIFO,
	SCRIPT_SOCKETS, /* a pair, both ends of which read and write */
	SCRIPT_FILE,	/* read by descriptor 0 or written by descriptor 1 */
};

/* Object and side: side 0 of a pipe or FIFO reads, side 1 writes. */
#define SCRIPT_END(object, side) (2 * (object) + (side))
#define SCRIPT_INPUT SCRIPT_END(0, 0)
#define SCRIPT_OUTPUT SCRIPT_END(1, 1)

enum script_op {
	/* descriptors */
	SCRIPT_CREATE, /* both ends of an object */
	SCRIPT_COPY,   /* one more descriptor of an end */
	SCRIPT_CLOSE,  /* one of them */
	SCRIPT_SHUT,   /* a socket, for writing */
	/* streams */
	SCRIPT_WRITE,		   /* so many bytes */
	SCRIPT_WRITE_BROKEN,	   /* nobody reads: once, it must fail */
	SCRIPT_WRITE_UNTIL_BROKEN, /* nobody will read: until it fails */
	SCRIPT_READ,		   /* so many bytes, in whatever pieces */
	SCRIPT_READ_END,	   /* to the end of file */
	SCRIPT_READ_ONCE,	   /* what is there, by one read(2) that does not wait */
	SCRIPT_LOOK,		   /* what is there, by a poll(2) that does not wait */
	SCRIPT_REST,		   /* all that is left, without waiting */
	/* processes */
	SCRIPT_FORK, /* or rfork() */
	SCRIPT_EXIT,
	SCRIPT_DIE, /* by a signal of its own */
	SCRIPT_WAIT,
	SCRIPT_ALIVE, /* a wait that does not wait, for a child that has not ended */
	SCRIPT_PARK,  /* do nothing until a signal kills */
	SCRIPT_KILL,  /* a parked child */
	/* signals and stops */
	SCRIPT_SEND,	    /* to a child or to the parent, by kill(2) or sigqueue(3) */
	SCRIPT_AWAIT,	    /* one that is blocked */
	SCRIPT_STOP,	    /* oneself */
	SCRIPT_AWAIT_STOP,  /* of a child */
	SCRIPT_CONTINUE,    /* a child, and hear of it */
	SCRIPT_FREEZE,	    /* stop a child from outside and continue it, and hear of both */
	SCRIPT_PIPE_SIGNAL, /* SIGPIPE kills, or is ignored */
	SCRIPT_OPS
};

struct script_step {
	enum script_op op;
	unsigned process;
	unsigned end;
	unsigned other; /* the process that is forked, waited for, signalled or heard */
	unsigned kind;	/* SCRIPT_CREATE: enum script_kind */
	unsigned bytes;
	unsigned position; /* of the first of them in their stream */
	int signal;
	int value; /* exit status; queued value, or -1 for kill(2); a choice of 0 or 1 */
};

struct script {
	uint64_t seed;
	enum script_kind input, output; /* what descriptors 0 and 1 of the root are */
	unsigned input_bytes;		/* what an input that is a file holds */
	unsigned count;
	struct script_step steps[SCRIPT_STEPS];
};

static inline unsigned script_object(unsigned end)
{
	return end / 2;
}

/* The other side of the same object. */
static inline unsigned script_far(unsigned end)
{
	return end ^ 1;
}

/* What byte number `position` of the stream that `end` reads is to be. */
unsigned char script_byte(uint64_t seed, unsigned end, unsigned position);

/* One line of text without its newline. */
void script_describe(const struct script *script, unsigned step, char *text, size_t bytes);

/* Prints the whole script. */
void script_print(const struct script *script, int fd);

#endif
