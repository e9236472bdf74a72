/* SPDX-License-Identifier: MIT */
/*
 * What is different about the channels of sockets that keep messages apart: datagram and seqpacket.
 * Called by session_stream.c, but for rf_message_take(), rf_message_hold() and rf_message_let_go().
 */
#ifndef RF_SESSION_MESSAGE_H
#define RF_SESSION_MESSAGE_H

#include "server/session_stream.h"

/* How many messages may precede an event that was noticed when they came: more than a socket
 * holds; what others than the child add cannot delay the event for ever. */
#define RF_MESSAGES_SNAPSHOT_MAX 65536u

/* Fills what stream->messages needs; does nothing for a stream of bytes. */
void rf_message_open(struct rf_stream *stream, uint32_t kind);
void rf_message_close(struct rf_stream *stream);

/*
 * Takes another descriptor of the child's datagram socket, also on failure.  As long as it is
 * held, what the child has not read when it closes the socket stays in the queue, where it can be
 * counted: no error would tell of it, as one does where the socket is a seqpacket's.  0 or
 * -EBADMSG.
 */
int rf_message_hold(struct rf_stream *stream, int child);

/* The child has ended: closes what is held, and finds out whether descendants have the socket
 * open, which no event tells. */
void rf_message_let_go(struct rf_stream *stream);

/* Where the sockets of correspondents are watched, and as which channel. */
void rf_message_watch(struct rf_stream *stream, int epoll, unsigned channel);

/* Our socket through which a message went to the child; for a stream of bytes the only one. */
int rf_message_sender(const struct rf_stream *stream);

/* A frame of the ghost, as rf_stream_take_data(). */
int rf_message_take(struct rf_stream *stream, const char *piece, size_t bytes, bool more);

/* Gives the child a message that waits.  Whether none is left to wait. */
bool rf_message_flush(struct rf_stream *stream);

/* As rf_stream_produce(). */
bool rf_message_produce(struct rf_stream *stream, enum rf_stream_limit limit,
			struct rf_stream_frame *frame, char *payload);

/* Drops one message of the child's: 1, 0 at the end, or a negative errno. */
int rf_message_drop(struct rf_stream *stream);

void rf_message_trim(struct rf_stream *stream);

#endif
