/* SPDX-License-Identifier: MIT */
/*
 * The second half of a ghost's life: the child's output goes to the caller's
 * descriptors, and the ghost ends as its child ended.
 */
#ifndef RF_GHOST_RELAY_H
#define RF_GHOST_RELAY_H

#include "rfork/protocol.h"

struct rf_relay_channel {
	int fd; /* the original; -1 = none, or nobody reads any more */
	enum rf_relay_kind {
		RF_RELAY_FILE,	 /* write(2) never waits for a reader */
		RF_RELAY_SOCKET, /* MSG_DONTWAIT */
		RF_RELAY_PIPE,	 /* RWF_NOWAIT, or small pieces after POLLOUT */
		RF_RELAY_TTY,	 /* small pieces after POLLOUT */
	} kind;
	uint32_t start, used;  /* ring buffer: first byte, number of bytes */
	uint32_t owed;	       /* bytes written out for which no credit went back yet */
	unsigned char *buffer; /* RF_CHANNEL_CREDIT_BYTES */
};

struct rf_relay {
	int connection;
	struct rf_relay_channel channels[RF_CHANNELS];
};

/*
 * Relays until the child has ended, then ends this process in the same way.  A lost connection
 * ends it by SIGKILL.  No malloc, no errno, no thread-local storage: almost all of the
 * process's memory is gone.
 */
_Noreturn void rf_ghost_relay(struct rf_relay *relay);

#endif
