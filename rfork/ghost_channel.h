/* SPDX-License-Identifier: MIT */
/*
 * One relayed stream at home: the original, which the caller may hold too, and what is under
 * way between it and the child (doc/protocol.txt, 5).  System calls only: runs in the ghost
 * when almost all of the process's memory is gone.
 */
#ifndef RF_GHOST_CHANNEL_H
#define RF_GHOST_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/protocol.h"

struct rf_ghost_peers;

struct rf_channel {
	int fd; /* the original; -1 = none, or closed */
	struct rf_channel_tools *tools;
	uint32_t stream;  /* RF_STREAM_* of the child's end */
	bool is_accepted; /* a connection of a listening socket: its number is the node's choice */
	enum rf_channel_kind {
		RF_CHANNEL_FILE,    /* nothing that is done with it waits for somebody */
		RF_CHANNEL_SOCKET,  /* MSG_DONTWAIT */
		RF_CHANNEL_PIPE,    /* RWF_NOWAIT, tee(2) */
		RF_CHANNEL_TTY,	    /* small pieces after POLLOUT */
		RF_CHANNEL_MESSAGE, /* a socket that keeps messages apart: ghost_message.h */
		RF_CHANNEL_LISTENER /* a listening socket: ghost_accept.h; ahead: one is offered */
	} kind;

	/* from the child */
	bool writes;	      /* the child may write, and somebody may read it */
	bool ends, shuts;     /* once the buffer is empty there is no more; then shut down */
	uint32_t start, used; /* ring: first byte, number of bytes */
	uint32_t write_limit; /* flush writes no more than this */
	uint32_t owed;	      /* bytes written out for which no credit went back yet */
	unsigned char
		*buffer; /* RF_CHANNEL_CREDIT_BYTES, mapped only when the original has no room */

	/* to the child */
	bool reads;	/* the child reads, and something may be left for it */
	bool at_end;	/* the original has ended, behind what is ahead */
	bool may_look;	/* something new may be there */
	bool is_ending; /* its other side has been closed, as far as events tell */
	uint32_t ahead; /* bytes that were sent and not taken from the original yet */
	uint32_t limit; /* of `ahead` */
	int pipe_bytes,
		grown_bytes; /* size of the original before and after it was grown; 0 = it was not */

	struct rf_channel_messages {
		bool is_datagram; /* it has no end, and an error of one message is not the next's */
		uint32_t shown_bytes; /* of the message that is ahead, by which it is known again */
		uint64_t shown_digest;
		/* from the child: buffer[first..end) is what waits, and then comes a part */
		uint32_t first, end;
		uint32_t part_bytes;
		bool has_part;
		struct rf_ghost_peers
			*peers; /* of a socket without a peer; NULL while there was no need */
		bool has_no_peer;
		int error;    /* why a message was dropped, if one was; negative */
		bool is_told; /* once one was dropped, and somebody has heard of it */
	} messages;
};

#define RF_CHANNEL_NO_LIMIT UINT32_MAX

/* What all channels of a ghost share. */
struct rf_channel_tools {
	int epoll;
	int scratch[2];	       /* a pipe, for tee(2); -1 = none */
	int null;	       /* /dev/null, for what is dropped */
	unsigned char *buffer; /* RF_FRAME_MAX_BYTES */
	unsigned grown;	       /* originals that have been made larger */
};

/* Makes the scratch pipe, where a channel shows a pipe; 0 or a negative errno. */
int rf_channel_prepare(struct rf_channel_tools *tools);

/* Watches the original from now on, under `number`. */
void rf_channel_open(struct rf_channel *channel, struct rf_channel_tools *tools, uint64_t number);

/* Takes bytes from the child, and writes what can be written at once.  0; -EBADMSG when they are more than
 * the credit, -ENOMEM; or the negative errno of a write, after which the channel no longer writes. */
int rf_channel_put(struct rf_channel *channel, const unsigned char *data, uint32_t bytes);

/* Whether so many bytes of the child may be moved into the original at once, which is a pipe; they are to be
 * counted as owed. */
bool rf_channel_may_pass(const struct rf_channel *channel, uint32_t bytes);

/* Writes what is left, as far as the original takes it.  0, or the negative errno of a write, after which
 * the channel no longer writes. */
int rf_channel_flush(struct rf_channel *channel);

/* The credit that should go back now; 0 = none yet. */
uint32_t rf_channel_take_credit(struct rf_channel *channel);

/* Whether events of the original say that nobody can read from it any more. */
bool rf_channel_has_no_reader(const struct rf_channel *channel, uint32_t events);

/* Whether a stream socket has been shut down for writing, of which no event tells. */
bool rf_channel_is_shut(int fd);

/* The child's side writes no more; shut: it was shut down, and so is the original. */
void rf_channel_end_output(struct rf_channel *channel, bool shut);

/*
 * Looks at what the original holds behind the bytes that are ahead, without taking anything: a copy
 * of at most the credit that is left goes to tools->buffer, or much of a pipe to tools->scratch, which
 * then is to be emptied.
 * The number of bytes, 0 at the original's end, -EAGAIN when there is nothing new.
 */
long rf_channel_look(struct rf_channel *channel, struct rf_channel_tools *tools,
		     bool *is_in_scratch);

/* The child has consumed bytes: takes them from the original.  0, or -EBADMSG when they were never
 * sent. */
int rf_channel_consume(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t bytes);

/* The node lets so much be ahead from now on: 0, or -EBADMSG when it may not. */
int rf_channel_set_limit(struct rf_channel *channel, struct rf_channel_tools *tools,
			 uint32_t limit_bytes);

/* The child's side reads no more. */
void rf_channel_stop_input(struct rf_channel *channel);

/* Before the ghost ends: leaves the original as it was. */
void rf_channel_leave(struct rf_channel *channel);

/* Unmaps an empty buffer, before an idle time. */
void rf_channel_rest(struct rf_channel *channel);

/* For ghost_message.c.  Nobody reads the original any more. */
void rf_channel_abandon_output(struct rf_channel *channel);
/* What follows once the buffer is empty, if the child's side writes no more. */
void rf_channel_finish_output(struct rf_channel *channel);
/* Nothing will come from the original any more. */
void rf_channel_leave_input(struct rf_channel *channel);

#endif
