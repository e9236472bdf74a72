/* SPDX-License-Identifier: MIT */
/*
 * Starts and ends rfork-pages, the helper by which a ghost's pages are to be had through RDMA: its
 * libraries must not be part of any image.  Nobody but the ghost gets to see it: no SIGCHLD, and
 * nothing to wait for.  System calls only.
 */
#ifndef RF_GHOST_HELPER_H
#define RF_GHOST_HELPER_H

#include <stdbool.h>

#include "rfork/arena.h"

struct rf_ghost_helper {
	int socket;	  /* to the helper (pages_protocol.h); -1 = there is none */
	const char *path; /* of the program */
	int their_socket; /* what it gets */
	int their_ring;	  /* the same */
	unsigned char *stacks;
	long ghost;	   /* our pid */
	long parent;	   /* of the process between us and it; 0 = there is none */
	volatile long pid; /* its own, as long as that is nobody else's */
	volatile bool is_unwanted;
	volatile long error; /* why it could not be started, once its socket has ended */
};

/*
 * Starts the program at `path` with a descriptor of the ring.  Takes its stacks from the arena.  0,
 * or a negative errno; that it cannot be executed shows when its socket ends.
 */
int rf_ghost_helper_start(struct rf_ghost_helper *helper, struct rf_arena *arena, const char *path,
			  int ring);

/* Ends it, whatever it does, and waits for its end. */
void rf_ghost_helper_end(struct rf_ghost_helper *helper);

#endif
