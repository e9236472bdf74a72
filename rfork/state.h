/* SPDX-License-Identifier: MIT */
/*
 * All mutable globals of librfork.  A child inherits them; resetting is one
 * assignment (rf_state_reset).
 */
#ifndef RF_STATE_H
#define RF_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "rfork/arena.h"
#include "rfork/digest_cache.h"
#include "rfork/hooks.h"
#include "rfork/identity.h"
#include "rfork/protocol.h"
#include "rfork/report.h"
#include "rfork/restart_args.h"

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

/*
 * Guards what belongs to flights.  Whoever creates a descriptor in a flight holds it from the
 * creation until the flight has it; whoever opens one for a moment, or looks at all of them,
 * holds it as well.  So nobody takes a descriptor of rfork() for the program's, and a fork child
 * of another thread never keeps one.  Signals are blocked meanwhile: a handler may fork.
 */
void rf_state_lock(void);
void rf_state_unlock(void);

/* Has forks of the process watched; 0 or a negative errno (of pthread_atfork). */
int rf_state_watch_forks(void);

/* Starts and ends a flight of the calling thread.  0 or a negative errno (of pthread_atfork). */
int rf_flight_begin(struct rf_flight *flight);

/* Closes and unmaps whatever the flight still holds. */
void rf_flight_end(struct rf_flight *flight);

/* Closes what another process has taken over: all but the end of the pipe from which its word
 * comes. */
void rf_flight_leave_connection(struct rf_flight *flight);

/* Gives up what the ghost has taken over: all but the end of the pipe from which its word comes. */
void rf_flight_leave_ghost(struct rf_flight *flight);

/* Whether a descriptor belongs to a flight of any thread, or to a checkpoint that is held.  The
 * caller holds the lock. */
bool rf_flight_owns(int fd);

/*
 * The facts of this machine, collected once, but for the features of the CPU: those that this
 * process may use, which are fewer if its user has masked some, or if it started on a lesser
 * machine.  NULL with a negative errno in *error.
 */
const struct rf_machine_facts *rf_state_facts(int *error);

/* Whether the process can live with the vector state of a node's CPU; 0 or -ENOEXEC with a report.
 * After rf_state_facts(). */
int rf_state_check_resolver(const struct rf_machine_facts *node, struct rf_report *report);

/* The digests known to this process; NULL if there is no memory for them. */
struct rf_digest_cache *rf_state_digests(void);

/* Forgets everything: called in a restored process.  session: see rf_state_node_session(). */
void rf_state_reset(pid_t session);

/* The arguments of the executable that restarted this process. */
struct rf_restart_args *rf_state_restart_args(void);

/* Who this process has been; hops 0: it has never arrived anywhere. */
struct rfork_identity *rf_state_identity(void);

/* The program's functions around captures.  Guarded by the lock. */
struct rf_hooks *rf_state_hooks(void);

/* The process on this machine through which this one, or one that it has been forked from, came
 * here; 0 if none did. */
pid_t rf_state_node_session(void);

#endif
