/* SPDX-License-Identifier: MIT */
/*
 * All mutable globals of librfork.  A child inherits them; resetting is one
 * assignment (rf_state_reset).
 */
#ifndef RF_STATE_H
#define RF_STATE_H

#include <stdbool.h>

#include "rfork/arena.h"
#include "rfork/digest_cache.h"
#include "rfork/protocol.h"

/*
 * One rfork() in progress: what another thread's fork child must not keep.  Lives on the stack of
 * the calling thread.
 */
struct rf_flight {
	struct rf_flight *next;
	int connection;	 /* -1 = none */
	int status_read; /* from the ghost */
	int status_write;
	struct rf_arena arena;
};

/* Starts and ends a flight of the calling thread.  0 or a negative errno (of pthread_atfork). */
int rf_flight_begin(struct rf_flight *flight);

/* Closes and unmaps whatever the flight still holds. */
void rf_flight_end(struct rf_flight *flight);

/* Whether a descriptor belongs to a flight of any thread. */
bool rf_flight_owns(int fd);

/* The facts of this machine, collected once; NULL with a negative errno in *error. */
const struct rf_machine_facts *rf_state_facts(int *error);

/* The digests known to this process; NULL if there is no memory for them. */
struct rf_digest_cache *rf_state_digests(void);

/* Forgets everything: called in the remote child, which stands on another machine. */
void rf_state_reset(void);

#endif
