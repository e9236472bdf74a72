/* SPDX-License-Identifier: MIT */
/*
 * The connection of a session while its child runs: whole frames in, batches of frames out,
 * and whether the other side still is there.  For session_relay.c.
 */
#ifndef RF_SESSION_LINK_H
#define RF_SESSION_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/link_watch.h"
#include "rfork/protocol.h"

/* CONSUMED and AHEAD of all channels, MODE, and one more frame. */
#define RF_LINK_CONTROL_BYTES                                                                      \
	(RF_CHANNELS_MAX * (2 * sizeof(struct rf_frame_header) +                                   \
			    sizeof(struct rf_frame_consumed) + sizeof(struct rf_frame_ahead)) +    \
	 128)

struct rf_link {
	int fd; /* -1 = closed */
	bool is_tcp;
	unsigned dead_after_s;
	struct rf_link_watch watch;
	size_t received;			      /* bytes in `in` */
	size_t control_bytes, data_bytes, sent_bytes; /* of the batch */
	int pipe[2];	   /* holds DATA on its way from a pipe, without a copy; -1 = none */
	bool has_no_pipe;  /* none could be made */
	size_t pipe_bytes; /* of the batch, behind data.header */
	bool is_used;	   /* memory of the buffers may have been touched since the last trim */
	char in[RF_FRAME_MAX_BYTES + 4096];
	char control[RF_LINK_CONTROL_BYTES]; /* goes first */
	struct {
		struct rf_frame_header header;
		char payload[RF_FRAME_MAX_BYTES];
	} data;
};

/* Takes a connected socket, and makes it O_NONBLOCK; 0 in *link otherwise. */
void rf_link_open(struct rf_link *link, int fd, unsigned dead_after_s);

/* Closes the connection. */
void rf_link_close(struct rf_link *link);

/* Whether the last batch has not gone out.  While it has not, nothing may be put. */
bool rf_link_is_busy(const struct rf_link *link);

/* Adds a frame to the batch.  There is room for CONSUMED and AHEAD on all channels, MODE, and one
 * more. */
void rf_link_put(struct rf_link *link, enum rf_frame_type type, unsigned flags, unsigned channel,
		 const void *payload, size_t bytes);

/* Adds DATA or MESSAGE of what is in data.payload, which goes out behind all others. */
void rf_link_put_data(struct rf_link *link, enum rf_frame_type type, unsigned flags,
		      unsigned channel, size_t bytes);

/* The write end of an empty pipe that takes DATA instead of data.payload; -1 if there is none. */
int rf_link_pipe(struct rf_link *link);

/* The same as rf_link_put_data(), for what is in that pipe. */
void rf_link_put_pipe(struct rf_link *link, unsigned channel, size_t bytes);

/* Sends as far as the connection takes it; 0 or a negative errno. */
int rf_link_flush(struct rf_link *link);

/* Receives what there is: the number of bytes, 0 at the end, -EAGAIN, or another negative errno. */
long rf_link_receive(struct rf_link *link);

/*
 * Finds the frame that starts `used` bytes into the input: its length with the header, 0 if it
 * is not complete, or -EBADMSG if a ghost may not send it.  Checks everything but what it means.
 */
long rf_link_find_frame(const struct rf_link *link, size_t used, struct rf_frame_header *header);

/* Drops the first bytes of the input. */
void rf_link_drop(struct rf_link *link, size_t bytes);

/* Whether what was sent has reached the other side's kernel, or waits for the ghost to read. */
bool rf_link_is_acknowledged(const struct rf_link *link);

/* Whether the other side has owed an acknowledgement for too long.  To be asked each second. */
bool rf_link_is_dead(struct rf_link *link);

/* Gives the memory of empty buffers back. */
void rf_link_trim(struct rf_link *link);

#endif
