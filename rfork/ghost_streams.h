/* SPDX-License-Identifier: MIT */
/*
 * All streams of a ghost at once, and the frames that are about them (doc/protocol.txt, 5).  A node
 * that breaks the rules is a lost link: these do not return then.
 */
#ifndef RF_GHOST_STREAMS_H
#define RF_GHOST_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "rfork/frame.h"
#include "rfork/ghost_relay.h"

/* How long somebody who may have stopped reading is waited for. */
#define RF_GHOST_PATIENCE_MS 1000

/* -- frames, of which the header has been read ------------------------------------------------ */

/* DATA or MESSAGE. */
void rf_ghost_streams_take_data(struct rf_relay *relay, const struct rf_frame_header *header);

/* CONSUMED. */
void rf_ghost_streams_consume(struct rf_relay *relay, uint32_t number);

/* AHEAD: from the answer on the ghost keeps to the limit. */
void rf_ghost_streams_take_limit(struct rf_relay *relay, uint32_t number);

/* -- originals -------------------------------------------------------------------------------- */

/* Shows the child one piece of each stream in turn: none starves another.  Whether there may be
 * more. */
bool rf_ghost_streams_look(struct rf_relay *relay);

/* Writes what is left of one, as far as the original takes it. */
void rf_ghost_streams_flush(struct rf_relay *relay, uint32_t number);

/* Writes out what is left of all; but who goes on for descendants goes on with that, too, if nobody
 * takes any for a second and is_patient is not set: perhaps only those could. */
void rf_ghost_streams_flush_all(struct rf_relay *relay, bool is_patient);

/* Whether something is left that the originals have no room for. */
bool rf_ghost_streams_have_rest(const struct rf_relay *relay);

/* What was written out at the child's end has not been told, as nobody was to write any more: tells
 * it. */
void rf_ghost_streams_settle(struct rf_relay *relay);

/* Nobody reads or writes any more: an original that waits for the other end of its own is not to
 * find that here.  The terminal is closed with the ghost. */
void rf_ghost_streams_leave(struct rf_relay *relay);

#endif
