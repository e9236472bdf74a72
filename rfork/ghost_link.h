/* SPDX-License-Identifier: MIT */
/*
 * A ghost's connection to its node once the child runs.  Who calls waits for the node, which always
 * reads and always finishes a frame; a link that is lost ends the process.  System calls only.
 */
#ifndef RF_GHOST_LINK_H
#define RF_GHOST_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rfork/link_watch.h"
#include "rfork/protocol.h"

/* Many small frames, or the header of a large one and its first page. */
#define RF_GHOST_LINK_INPUT_BYTES (sizeof(struct rf_frame_header) + 4096)

struct rf_ghost_link {
	int connection;
	struct rf_link_watch watch;
	bool is_bulk;			   /* the next payload is probably large */
	uint32_t input_start, input_bytes; /* received and not read yet */
	unsigned char input[RF_GHOST_LINK_INPUT_BYTES];
};

/* The node is gone, or broken: ends this process by SIGKILL. */
_Noreturn void rf_ghost_link_lose(void);

/* Whether frames have been received that nobody has read: no event will tell of them. */
bool rf_ghost_link_has_input(const struct rf_ghost_link *link);

/* The same, but looks into the connection too where that saves waiting for its event. */
bool rf_ghost_link_has_more(struct rf_ghost_link *link);

/* Whether the node has closed, and every frame before that was read.  Does not wait. */
bool rf_ghost_link_has_ended(const struct rf_ghost_link *link);

/* Reads exactly so many bytes of what the node sends. */
void rf_ghost_link_read(struct rf_ghost_link *link, void *buffer, size_t bytes);

/* The next payload is probably large: its header comes alone. */
void rf_ghost_link_expect_bulk(struct rf_ghost_link *link);

/* Moves at most so many bytes of a payload into a pipe, without a copy and without waiting for room there;
 * how many.  Nothing of the payload must have been received. */
uint32_t rf_ghost_link_pass(struct rf_ghost_link *link, int pipe, uint32_t bytes);

/* Sends a frame.  A failure shows as the end of the connection when it is read next. */
void rf_ghost_link_send_flagged(struct rf_ghost_link *link, enum rf_frame_type type, unsigned flags,
				unsigned channel, const void *payload, size_t bytes);

/* The same without flags. */
void rf_ghost_link_send(struct rf_ghost_link *link, enum rf_frame_type type, unsigned channel,
			const void *payload, size_t bytes);

/* Sends DATA out of a pipe that holds as much: pages change hands, without a copy.  The connection must be
 * O_NONBLOCK. */
void rf_ghost_link_send_pipe(struct rf_ghost_link *link, unsigned channel, int pipe,
			     uint32_t bytes);

/* How long one may sleep before rf_ghost_link_check() is due; -1 = for ever. */
int rf_ghost_link_timeout_ms(const struct rf_ghost_link *link);

/* Loses the link if the node's machine has acknowledged nothing for too long. */
void rf_ghost_link_check(struct rf_ghost_link *link);

#endif
