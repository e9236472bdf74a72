/* SPDX-License-Identifier: MIT */
/*
 * What can be done with an original that is a pipe: look behind what has been seen already, drop what
 * was taken, and make it larger for a while.  For ghost_channel.c.  System calls only.
 */
#ifndef RF_GHOST_PIPE_H
#define RF_GHOST_PIPE_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/ghost_channel.h"

/* How many originals a ghost makes larger at a time: the kernel counts their pages for the user. */
#define RF_GHOST_PIPES_GROWN_MAX 8u

/* Leaves in the scratch pipe a copy of what `fd` holds, without its first `skip` bytes.  How many bytes of
 * at most `bytes` were seen, those that were skipped included; or a negative errno. */
long rf_ghost_pipe_peek(const struct rf_channel_tools *tools, int fd, uint32_t skip,
			uint32_t bytes);

/* Moves bytes that the scratch pipe holds to the buffer. */
void rf_ghost_pipe_fetch(const struct rf_channel_tools *tools, size_t bytes);

/* Takes at most so many bytes from `fd`, and nothing else; how many, or 0 or a negative errno. */
long rf_ghost_pipe_drop(const struct rf_channel_tools *tools, int fd, uint32_t bytes);

/* Gives the original of a channel room for so many bytes, if nothing stands against it. */
void rf_ghost_pipe_grow(struct rf_channel *channel, struct rf_channel_tools *tools, uint32_t bytes);

/* Takes that room back, unless it is in use, or somebody else has changed it. */
void rf_ghost_pipe_shrink(struct rf_channel *channel, struct rf_channel_tools *tools);

#endif
