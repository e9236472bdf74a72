/* SPDX-License-Identifier: MIT */
/*
 * The second half of a ghost's life: streams, signals and the end of the child pass through it.
 */
#ifndef RF_GHOST_RELAY_H
#define RF_GHOST_RELAY_H

#include <sys/types.h>

#include "rfork/ghost_channel.h"
#include "rfork/ghost_link.h"
#include "rfork/ghost_terminal.h"

struct rf_relay {
	struct rf_ghost_link link; /* of which the caller sets the connection */
	int signals;		   /* signalfd */
	pid_t caller;
	bool is_expected; /* the child waits for GO, behind what the originals hold */
	bool is_left;	  /* the child has ended: this is the stand-in of its descendants */
	uint32_t stopped; /* the signal by which the child has been stopped; 0 = it runs */
	struct rf_ghost_terminal terminal;
	size_t held; /* bytes that a stop waits for, and until when */
	int64_t stop_ns;
	struct rf_channel *channels; /* by number; those without an original have fd -1 */
	uint32_t channel_count;
	uint32_t accepted_from; /* those that the image has given are below; above, as many as there is need,
				   up to RF_CHANNELS_MAX, if there is a listening socket */
	uint32_t error_channel;	       /* of standard error; RF_IMAGE_NONE = none */
	struct rf_channel_tools tools; /* of which the caller sets the buffer */
};

/* Opens what the relay needs besides: 0 or a negative errno.  Before the child runs, while a
 * failure can still be told. */
int rf_ghost_prepare_relay(struct rf_relay *relay);

/* Closes what that has opened: the relay is not needed. */
void rf_ghost_close_relay(struct rf_relay *relay);

/* Writes a line to the caller's standard error, unless nobody takes it just now. */
void rf_ghost_complain(const struct rf_relay *relay, const char *sentence);

/*
 * Relays until the child has ended, then ends this process in the same way; if descendants still
 * hold streams of the child, another process goes on relaying those.  A lost connection ends it by
 * SIGKILL.  No malloc, no errno, no thread-local storage: almost all of the process's memory is
 * gone.
 */
_Noreturn void rf_ghost_relay(struct rf_relay *relay);

#endif
