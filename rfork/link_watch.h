/* SPDX-License-Identifier: MIT */
/*
 * Whether the machine at the other end of a connection is still there.  TCP keep-alive tells for an
 * idle connection; this for one with something under way, where the kernel would try for a
 * quarter of an hour.  A peer that merely does not read is there.  No malloc, no errno: the
 * ghost's as well.
 */
#ifndef RF_LINK_WATCH_H
#define RF_LINK_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* When a link that owes the ghost an acknowledgement counts as lost. */
#define RF_LINK_LOST_S 15

struct rf_link_watch {
	int64_t awaiting_ns; /* since when an acknowledgement has been due; 0 = none is */
};

/* Whether something was sent that has not been acknowledged, or not been taken by the connection. */
bool rf_link_watch_has_queued(int fd);

/* Whether all that was sent has reached the other side's kernel, or waits for it to be read there. */
bool rf_link_watch_is_acknowledged(int fd);

/* Whether the other side has been owing an acknowledgement for so long.  To be asked every few seconds
 * while something is queued.  Never, for a unix socket. */
bool rf_link_watch_is_dead(struct rf_link_watch *watch, int fd, unsigned dead_after_s);

/*
 * Lets the kernel end a connection whose other side has been owing an acknowledgement for so long, 0 =
 * no longer: for a time in which nobody here can ask.  Unlike rf_link_watch_is_dead() it also takes one
 * for dead that does not read what is under way.  Does nothing to a unix socket.
 */
void rf_link_watch_leave_to_kernel(int fd, unsigned dead_after_s);

#endif
