/* SPDX-License-Identifier: MIT */
/*
 * A ghost as a target and a sender of signals: what is sent to it goes to the child, what the child
 * sends to its parent goes to the caller, and it stops as the child stops (doc/protocol.txt, 6).
 * System calls only.
 */
#ifndef RF_GHOST_SIGNALS_H
#define RF_GHOST_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rfork/protocol.h"

/* Interrupts a call that must not wait, in the ghost itself.  One of those that libc keeps for itself: no
 * program can have a handler for it, and nobody sends it to another. */
#define RF_GHOST_GUARD_SIGNAL 33

/* Blocks every signal, those that libc keeps for itself too. */
void rf_ghost_block_signals(void);

/* A signalfd of all signals; or a negative errno. */
int rf_ghost_open_signals(void);

/* For a ghost without a child: signals act on it as on any process that has no handlers.  What the caller
 * ignores, and SIGPIPE, do nothing. */
void rf_ghost_release_signals(void);

/* Reads one signal that is the child's business: 1, or 0 when there is none. */
int rf_ghost_read_signal(int fd, struct rf_frame_signal *signal);

/* Sends a signal of the child's to the caller, if that is still our parent.  0, or -EBADMSG for what is no
 * signal. */
int rf_ghost_send_signal(pid_t caller, const struct rf_frame_signal *signal);

/*
 * Stops this process by the signal that has stopped the child, until somebody sends SIGCONT or the
 * connection has input.  Returns at once when it has input already.  True if it was SIGCONT, and a stop
 * signal that came after it has taken it away: nobody else will hear of it.
 */
bool rf_ghost_stop(int connection, uint32_t signal);

/* Ends this process by the default action of a signal. */
_Noreturn void rf_ghost_die(int signal);

#endif
