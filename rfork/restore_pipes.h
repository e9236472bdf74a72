/* SPDX-License-Identifier: MIT */
/*
 * The image's own pipes, made again with what was in them.
 */
#ifndef RF_RESTORE_PIPES_H
#define RF_RESTORE_PIPES_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/image_reader.h"

/* A pipe of the image while its ends find their places; zeroed at first. */
struct rf_restore_pipe {
	bool is_made;
	int ends[2]; /* -1 = taken */
};

/* Makes the pipe, if that has not been done, and returns the descriptor's end, under any
 * number; or a negative errno.  The other end waits at a number not below `lowest`. */
int rf_restore_take_pipe_end(struct rf_restore_pipe *pipe, const struct rf_reader_pipe *image,
			     const struct rf_image_descriptor *descriptor, unsigned lowest);

/* Closes the ends that nobody has taken. */
void rf_restore_close_pipes(struct rf_restore_pipe *pipes, uint32_t count);

#endif
