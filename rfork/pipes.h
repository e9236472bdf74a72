/* SPDX-License-Identifier: MIT */
/*
 * Pipes of a process that moves, or goes to rest, which no other process has: they are made again
 * on the node, with what is in them, instead of being relayed.
 */
#ifndef RF_PIPES_H
#define RF_PIPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/fdtable.h"
#include "rfork/image_format.h"
#include "rfork/image_writer.h"
#include "rfork/report.h"

struct rf_pipe {
	uint64_t inode;
	int ends[2];	     /* the read end and the write end, where we have them; -1 = not seen */
	uint32_t numbers[2]; /* and in the table */
	uint32_t capacity_bytes;
	bool is_packets; /* O_DIRECT */
	bool is_shared;	 /* or may be */
	/* of a checkpoint: what was in it, as in the record, without the index */
	bool is_read;
	struct rf_image_pipe image;
	const uint32_t *lengths;
	const unsigned char *contents;
};

struct rf_pipes {
	struct rf_pipe *entries;
	size_t count;
};

/*
 * Finds the pipes both ends of which the table has, and nobody else, and turns their descriptors
 * in the table from RELAY into PIPE.  Who else has an end is asked of /proc; where that cannot be
 * told for a process that may have got one from us or we from it, the pipe stays a RELAY, which
 * is right in any case.  `node_session`: the session that this process arrived through, or 0.
 */
void rf_pipes_find(struct rf_pipes *pipes, struct rf_fdtable *table, struct rf_arena *arena,
		   pid_t node_session);

/* The same of another process, `pid`, whose table this is; that we have its descriptors does not
 * count.  False if there are some of which it cannot be told for certain: they count as its own,
 * as far as can be seen. */
bool rf_pipes_find_of(struct rf_pipes *pipes, struct rf_fdtable *table, struct rf_arena *arena,
		      pid_t pid);

/* Copies what is in a pipe, and stays there.  contents: RF_PIPE_MAX_CAPACITY bytes; lengths:
 * RF_PIPE_MAX_PACKETS.  0 or a negative errno.  No malloc, no errno. */
int rf_pipes_copy(const struct rf_pipe *pipe, struct rf_image_pipe *image, void *contents,
		  uint32_t *lengths);

/* Notes what is in them at this moment, in memory of the arena; it stays where it is.  0 or a
 * negative errno with a report. */
int rf_pipes_read(struct rf_pipes *pipes, struct rf_arena *arena, struct rf_report *report);

/* Writes PIPE records, with the contents, which stay where they are.  bounce:
 * RF_PIPE_MAX_CAPACITY bytes.  No malloc, no errno. */
int rf_pipes_write(const struct rf_pipes *pipes, struct rf_image_writer *writer, void *bounce);

#endif
