/* SPDX-License-Identifier: MIT */
/*
 * Between pty.c, pty_output.c and pty_input.c.
 */
#ifndef RF_PTY_INTERNAL_H
#define RF_PTY_INTERNAL_H

#include "server/pty.h"

bool rf_pty_get_mode(const struct rf_pty *pty, struct rf_terminal_mode *mode);

/* Home has this mode, and the terminal gets it. */
void rf_pty_set_mode(struct rf_pty *pty, const struct rf_terminal_mode *mode);

void rf_pty_set_size(const struct rf_pty *pty, const struct rf_terminal_size *size);

/* Whether the driver writes a carriage return before each newline. */
bool rf_pty_adds_returns(const struct rf_terminal_mode *mode);

#endif
