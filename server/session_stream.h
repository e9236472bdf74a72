/* SPDX-License-Identifier: MIT */
/*
 * One channel at the node (doc/protocol.txt, 5): our end of the child's pipe or socket, the
 * credit of both directions, and what the child has not taken yet.  For session_streams.c.
 */
#ifndef RF_SESSION_STREAM_H
#define RF_SESSION_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/protocol.h"
#include "server/pty.h"

struct rf_session_peers;

/* What a channel needs besides, if it carries messages: session_message.c. */
struct rf_stream_messages {
	bool is_datagram;
	int child;	/* another descriptor of the child's datagram socket; -1 = none */
	bool is_closed; /* nobody has that socket open any more */
	bool is_empty;	/* the message in the child's socket has no bytes */
	struct rf_session_peers *peers; /* of a socket without a peer, else NULL */
	int sender, receiver; /* sockets: where a message is under way, and one is read next */
	uint32_t from;	      /* whose the receiver is */
	char *in;	   /* from the ghost, RF_MESSAGE_MAX_BYTES; NULL while there was no need */
	uint32_t in_bytes; /* what has come of a message */
	bool is_whole;	   /* it is complete, and the child's socket had no room */
	char *out;	   /* from the child, of out_bytes; NULL if one frame takes it all */
	uint32_t out_bytes, sent_bytes;
};

/* What a listening socket and its connections need besides: session_listener.c. */
struct rf_stream_accept {
	bool keeps_messages; /* at a listener: its connections are SOCK_SEQPACKET */
	bool is_listener;    /* fd names the child's socket, O_PATH */
	bool is_connection;  /* made for a listener, and not by the image */
	bool is_pending;     /* the child has not accepted it */
	bool is_offered; /* at a listener: a connection waits at home, and none is made here yet */
	unsigned from;	 /* at a listener: the first number that a connection may have */
	unsigned number; /* at a listener: of the connection that is made and not told; 0 = none.
			       At a connection: of the listener */
};

struct rf_stream {
	int fd; /* ours, O_NONBLOCK; -1 once nothing can happen there */
	bool is_socket;
	bool is_message;     /* a socket that keeps messages apart: unread_bytes, taken_bytes,
				window_bytes and left_bytes count those */
	struct rf_pty *pty;  /* whose output this is; else NULL */
	uint32_t peer;	     /* inode of the child's socket, to ask the kernel about it; 0 = none */
	uint32_t named;	     /* the same, if fd is the name of that socket, O_PATH */
	bool gives;	     /* the child may write: DATA or EOF may follow */
	bool gives_much;     /* the last piece was large: so will be the next */
	bool may_give;	     /* perhaps there is something to read, or a NO_READER to tell */
	bool takes;	     /* the child may read what the ghost sends */
	bool tell_no_reader; /* the child reads no more, and the ghost does not know */
	bool has_eof;	     /* the ghost's: no DATA may follow */
	bool is_shut;	     /* we have shut our socket down for writing */
	bool is_reset;	     /* the child has closed its socket with bytes in it */
	bool has_written;    /* for the caller, who resets it: the child got bytes */
	uint32_t credit_bytes;
	uint32_t left_bytes;  /* of what the pipe held at the snapshot */
	uint32_t pipe_bytes;  /* size of the child's pipe, if the child reads it; 0 = unknown */
	uint32_t limit_bytes; /* of window_bytes */
	uint32_t ask_bytes;   /* another limit, to be told to the ghost; 0 = none */
	uint32_t asked_bytes; /* the same, told and not answered yet */
	uint32_t passed_bytes; /* that the child, or the original, has taken in large pieces of late */
	uint32_t window_bytes; /* how much of the ghost's credit is used up: the three below, and
				  what was dropped */
	uint32_t used_bytes;   /* in the buffer, from start_bytes on */
	uint32_t unread_bytes; /* in the child's pipe */
	uint32_t taken_bytes;  /* read by the child; the ghost does not know */
	uint32_t start_bytes;
	uint32_t buffer_bytes;
	char *buffer; /* NULL while there was no need */
	struct rf_stream_messages messages;
	struct rf_stream_accept accept;
};

/* What a channel has for the ghost. */
struct rf_stream_frame {
	enum rf_frame_type type; /* DATA, MESSAGE, EOF or NO_READER */
	unsigned flags, channel;
	size_t bytes;	 /* of DATA and MESSAGE */
	bool is_in_pipe; /* they are not in the payload but in the pipe that was offered */
};

/* How much of what the child writes goes out. */
enum rf_stream_limit {
	RF_STREAM_ALL,
	RF_STREAM_SNAPSHOT, /* what was there at the snapshot */
	RF_STREAM_FINAL,    /* the same, and then EOF */
};

/* stream: RF_STREAM_*, of the child's end.  Takes fd. */
void rf_stream_open(struct rf_stream *stream, uint32_t kind, int fd);
void rf_stream_close(struct rf_stream *stream);

/* What epoll is to watch, edge-triggered. */
uint32_t rf_stream_events(const struct rf_stream *stream);
void rf_stream_event(struct rf_stream *stream, uint32_t events);

/* Frames of the ghost: 0, -EBADMSG if they break the rules, or -ENOMEM. */
int rf_stream_take_data(struct rf_stream *stream, const char *data, size_t bytes);
int rf_stream_take_window(struct rf_stream *stream, uint32_t credit_bytes);
int rf_stream_take_ahead(struct rf_stream *stream, uint32_t limit_bytes);
void rf_stream_take_eof(struct rf_stream *stream);
void rf_stream_take_no_reader(struct rf_stream *stream);

/* Remembers how much there is to read. */
void rf_stream_snapshot(struct rf_stream *stream);

/* The next frame, or false if there is none now; all but `channel`.  Much DATA of a pipe may be moved to
 * `pipe`, which is empty; -1 = there is none. */
bool rf_stream_produce(struct rf_stream *stream, enum rf_stream_limit limit,
		       struct rf_stream_frame *frame, char *payload, int pipe);

/* Drops what the child has written. */
void rf_stream_drain(struct rf_stream *stream);

/* Finds out what the child has taken: unread_bytes become taken_bytes. */
void rf_stream_sample(struct rf_stream *stream);

/* What the child has taken and what else is new of the window, to be told to the ghost now. */
struct rf_stream_news {
	uint32_t taken_bytes;
	uint32_t limit_bytes; /* 0 = the same as before */
	unsigned accepted; /* at a listener: the channel of a connection that was accepted; 0 = none */
};
struct rf_stream_news rf_stream_tell(struct rf_stream *stream);

/* Whether the child has taken so much that the ghost should know at once. */
bool rf_stream_has_much_taken(const struct rf_stream *stream);

/* Whether the child would be faster with a larger window. */
bool rf_stream_is_short(const struct rf_stream *stream);

/* Lets the ghost have more under way. */
void rf_stream_grow(struct rf_stream *stream);

/* Lets it have only as much as at first, if the stream has been idle since the last call; whether it has. */
bool rf_stream_shrink(struct rf_stream *stream);

/* Gives an empty buffer back. */
void rf_stream_trim(struct rf_stream *stream);

/* Whether the kernel can be asked about the child's sockets. */
bool rf_stream_can_ask(void);

/* For session_listener.c.  Asks who is at the other end of our socket: whether there is somebody. */
bool rf_stream_find_peer(struct rf_stream *stream);
/* Whether the child's socket of this inode is gone. */
bool rf_stream_is_gone(uint32_t inode);

/* For session_message.c.  Whether somebody has the child's socket open; true where that is not known. */
bool rf_stream_has_peer(const struct rf_stream *stream);
/* The child reads no more: what it has left stays with the ghost. */
void rf_stream_stop_taking(struct rf_stream *stream);
/* The child has written all that it will: makes the frame that says so, and returns true. */
bool rf_stream_put_eof(struct rf_stream *stream, enum rf_stream_limit limit,
		       struct rf_stream_frame *frame);

#endif
