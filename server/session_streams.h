/* SPDX-License-Identifier: MIT */
/*
 * All channels of a child: filled by session.c while the shell makes them, used by
 * session_relay.c from then on.
 */
#ifndef RF_SESSION_STREAMS_H
#define RF_SESSION_STREAMS_H

#include "server/session_stream.h"
#include "server/shell_protocol.h"

/* How many streams have a large window at a time. */
#define RF_STREAMS_GROWN_MAX 4u

#define RF_STREAMS_WORDS (RF_CHANNELS_MAX / 64)

/* All zero: no channel. */
struct rf_streams {
	struct rf_stream *channels[RF_CHANNELS_MAX];
	uint64_t ready[RF_STREAMS_WORDS];  /* those that may have a frame for the ghost */
	uint64_t window[RF_STREAMS_WORDS]; /* those whose child has bytes, or has taken some */
	unsigned count;			   /* one more than the highest number */
	int epoll;			   /* where they are watched, once they are */
	unsigned turn;			   /* which channel goes first */
	enum rf_stream_limit limit;
	bool is_detached;
	bool gives_much;     /* a pipe is wanted for what children write */
	bool has_written;    /* for the relay, which resets it: a child's end got bytes */
	bool has_much_taken; /* likewise: a good part of a window can be given back */
	unsigned grown[RF_STREAMS_GROWN_MAX]; /* channels with a large window */
	unsigned grown_count;
};

typedef void (*rf_news_visitor)(void *argument, unsigned channel,
				const struct rf_stream_news *news);

/* Adds a channel with our end, O_NONBLOCK; stream is RF_STREAM_*, of the child's end.  Takes fd,
 * also on failure.  0 or -ENOMEM. */
int rf_streams_add(struct rf_streams *streams, unsigned channel, uint32_t stream, int fd);

/* Adds the output of the child's terminal.  0 or a negative errno. */
int rf_streams_add_terminal(struct rf_streams *streams, struct rf_pty *pty);

/* The same with what the shell has sent, which is checked.  Takes fd, also on failure: -EBADMSG if
 * anything is not as it should be, or another negative errno. */
int rf_streams_receive(struct rf_streams *streams, const struct rf_shell_stream *message, int fd);

/* Closes and frees all; may be called twice. */
void rf_streams_close(struct rf_streams *streams);

/* Closes and frees one. */
void rf_streams_remove(struct rf_streams *streams, unsigned channel);

/* Takes notice of what was done to a channel.  For session_listener.c. */
void rf_streams_note(struct rf_streams *streams, unsigned channel);

/* Registers all channels, edge-triggered, under their numbers; 0 or a negative errno. */
int rf_streams_watch(struct rf_streams *streams, int epoll);

/* Something happened at the child's end of a channel. */
void rf_streams_event(struct rf_streams *streams, unsigned channel, uint32_t events);

/* A frame of the ghost, of one of seven types and checked but for its meaning: 0, -EBADMSG if it
 * breaks the rules, or -ENOMEM.  Unknown channels are ignored. */
int rf_streams_take(struct rf_streams *streams, const struct rf_frame_header *header,
		    const char *payload);

/* No ghost is left: the child reads what has come and then end of file, and what it writes is dropped. */
void rf_streams_detach(struct rf_streams *streams);

/* The child has ended: finds out what descendants do not hold.  To be asked again for what no event tells. */
void rf_streams_let_go(struct rf_streams *streams);

/* Finds out which listening sockets have been closed.  To be asked now and then: no event tells. */
void rf_streams_check_listeners(struct rf_streams *streams);

/* From now on only what the child's pipes hold now goes out, until the release.  final: the child
 * and all its descendants have ended, and EOF follows; there is no release. */
void rf_streams_snapshot(struct rf_streams *streams, bool final);
void rf_streams_release_snapshot(struct rf_streams *streams);

/* Takes the next frame, of each channel in turn, with up to RF_FRAME_MAX_BYTES of data into
 * payload; false if there is none now. */
bool rf_streams_produce(struct rf_streams *streams, struct rf_stream_frame *frame, char *payload,
			int pipe);

/* Whether all of a snapshot has gone out, after a final one EOF included. */
bool rf_streams_are_sent(const struct rf_streams *streams);

/* Whether any channel has not ended in both directions. */
bool rf_streams_are_open(const struct rf_streams *streams);

/* Finds out what the child has taken, and tells for each channel what was not told before. */
void rf_streams_tell(struct rf_streams *streams, rf_news_visitor visit, void *argument);

/* Whether the child has bytes that it may still take. */
bool rf_streams_have_unread(const struct rf_streams *streams);

/* Takes large windows back from streams that have not needed them since the last call: whether there is
 * something to be told. */
bool rf_streams_shrink(struct rf_streams *streams);

/* Gives empty buffers back. */
void rf_streams_trim(struct rf_streams *streams);

#endif
