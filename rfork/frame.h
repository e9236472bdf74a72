/* SPDX-License-Identifier: MIT */
/*
 * Frames of a connection (doc/protocol.txt, 2), one system call each.  No
 * malloc and no errno: used in the frozen ghost too.
 */
#ifndef RF_FRAME_H
#define RF_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "rfork/protocol.h"
#include "rfork/report.h"

/* Sends one frame; 0 or a negative errno. */
int rf_frame_send(int fd, enum rf_frame_type type, unsigned flags, unsigned channel,
		  const void *payload, size_t bytes, int64_t deadline_ns);

/* Sends two frames, one after the other, in one system call; 0 or a negative errno. */
struct rf_frame_out {
	enum rf_frame_type type;
	const void *payload;
	size_t bytes; /* not 0 */
};
int rf_frame_send_two(int fd, const struct rf_frame_out *first, const struct rf_frame_out *second,
		      int64_t deadline_ns);

/*
 * Receives one frame whose payload fits in `bytes`; header->length_bytes tells how long it
 * was.  0; -EBADMSG if the frame is malformed or too long; or as rf_io_read_full().
 */
int rf_frame_receive(int fd, struct rf_frame_header *header, void *payload, size_t bytes,
		     int64_t deadline_ns);

/*
 * Receives a frame that must be of `type` with exactly `bytes` of payload.  A REFUSED frame
 * instead fills the report with the peer's error and sentence and returns -error; so does
 * every other failure, in words of its own that name `peer`.
 */
int rf_frame_expect(int fd, enum rf_frame_type type, void *payload, size_t bytes,
		    int64_t deadline_ns, const char *peer, struct rf_report *report);

/* Sends REFUSED with what the report holds; flags: RF_REFUSED_*.  0 or a negative errno. */
int rf_frame_refuse(int fd, const struct rf_report *report, unsigned flags, int64_t deadline_ns);

/* Takes over a REFUSED payload of `bytes` bytes into the report; returns -error. */
int rf_frame_refused(const void *payload, size_t bytes, struct rf_report *report);

#endif
