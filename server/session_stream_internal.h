/* SPDX-License-Identifier: MIT */
/*
 * Between session_stream.c and session_stream_output.c.
 */
#ifndef RF_SESSION_STREAM_INTERNAL_H
#define RF_SESSION_STREAM_INTERNAL_H

#include "server/session_stream.h"

/* The inode of the socket at the other end; 0 = none, or the kernel cannot be asked. */
uint32_t rf_stream_ask_peer(int fd);

/* Events of our end that are there now, for poll(2). */
short rf_stream_poll_now(const struct rf_stream *stream);

/* Closes our end as soon as neither bytes nor news can come through it. */
void rf_stream_release(struct rf_stream *stream);

#endif
