/* SPDX-License-Identifier: MIT */
/*
 * What a session does while its child runs: output and the end of the child to the
 * ghost, credit from it (doc/protocol.txt, 5).
 */
#ifndef RF_SESSION_RELAY_H
#define RF_SESSION_RELAY_H

#include "server/spawn.h"

/*
 * Relays until the child and all its descendants have ended, on their own or because the
 * connection, the listener or this session was told to.  Takes over the connection and the
 * shell's output ends.  signals: a signalfd of SIGCHLD and SIGTERM, both blocked.
 */
void rf_session_relay(int connection, int channel, int signals, struct rf_shell *shell);

#endif
