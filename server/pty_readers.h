/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a terminal to be read.  For pty_input.c.
 */
#ifndef RF_PTY_READERS_H
#define RF_PTY_READERS_H

#include <stdbool.h>

#include "server/pty.h"

/*
 * Whether one of this session's descendants waits in a call that reads the terminal, or that
 * tells when it can be read: read, poll, select, epoll.  A process that may not be looked at
 * counts if it sleeps in the foreground.
 */
bool rf_pty_has_reader(const struct rf_pty *pty);

#endif
