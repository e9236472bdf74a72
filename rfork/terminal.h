/* SPDX-License-Identifier: MIT */
/*
 * The terminal of a process (doc/protocol.txt, 7): its controlling terminal, else the first one
 * among standard input, output and error.  For the caller, before the fork, and for its ghost;
 * system calls only.
 */
#ifndef RF_TERMINAL_H
#define RF_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/protocol.h"

/* device = 0: there is none. */
struct rf_terminal {
	uint32_t device;     /* as the kernel encodes it: for rf_terminal_is() */
	bool is_controlling; /* /dev/tty leads to it */
	int standard;	     /* a descriptor of it, where it is not the controlling one */
	struct rf_frame_terminal state;
};

/* Looks for the terminal of the calling process, and at its state. */
void rf_terminal_find(struct rf_terminal *terminal);

/* Whether a descriptor is open on that terminal. */
bool rf_terminal_is(const struct rf_terminal *terminal, int fd);

/* Whether the calling process's group may read a terminal, and set its mode.  is_controlling: it
 * is, or was, the controlling one; any other everybody may. */
bool rf_terminal_is_foreground(int fd, bool is_controlling);

/* Fills in mode, size, and whether we are in the foreground; 0 or a negative errno. */
int rf_terminal_look(int fd, bool is_controlling, struct rf_frame_terminal *state);

/* Sets the mode; 0 or a negative errno. */
int rf_terminal_set_mode(int fd, const struct rf_terminal_mode *mode);

#endif
