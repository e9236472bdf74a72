/* SPDX-License-Identifier: MIT */
/*
 * Channels of sockets that keep messages apart: datagram and seqpacket (doc/protocol.txt, 5).  What
 * ghost_channel.h says holds for them as well; this is what differs.
 */
#ifndef RF_GHOST_MESSAGE_H
#define RF_GHOST_MESSAGE_H

#include <sys/uio.h>

#include "rfork/ghost_channel.h"
#include "rfork/ghost_link.h"

/* Whether what is of this kind, RF_STREAM_*, has messages. */
bool rf_message_is_kept(uint32_t stream);

/* Takes a piece of a message from the child; more: it goes on in the next one.  Sends the
 * message when it is complete, as far as the original takes it.  Results as of
 * rf_channel_put(); a message that cannot be sent and does not end the channel is dropped, and
 * channel->messages.error says why. */
int rf_message_put(struct rf_channel *channel, const unsigned char *piece, uint32_t bytes,
		   bool more);

/* Sends what waits; for rf_channel_flush(). */
int rf_message_flush(struct rf_channel *channel);

/*
 * Looks at the next message without taking it, if none is ahead: 1 with the message, which is to be
 * given to rf_message_forget(), 0 at the original's end, -EAGAIN when there is nothing new.
 */
int rf_message_look(struct rf_channel *channel, const struct rf_channel_tools *tools,
		    struct iovec *message);
/* In as many frames as it needs. */
void rf_message_send(struct rf_ghost_link *link, unsigned channel, const struct iovec *message);
void rf_message_forget(const struct rf_channel_tools *tools, const struct iovec *message);

/* The child has read the message that was ahead: takes it from the original, unless another reader
 * was faster.  0, or -EBADMSG if none was ahead. */
int rf_message_consume(struct rf_channel *channel, const struct rf_channel_tools *tools,
		       uint32_t count);

/* Unmaps an empty store; for rf_channel_rest(). */
void rf_message_rest(struct rf_channel *channel);

#endif
