/* SPDX-License-Identifier: MIT */
/*
 * Small moves on pipes and sockets: say, hear, expect text or the end.
 */
#ifndef TEST_SUPPORT_STREAM_H
#define TEST_SUPPORT_STREAM_H

#include "tests/support/test.h"

/* How long a test looks on where nothing may happen. */
#define STREAM_QUIET_MS 500

/* One byte as an event between two processes; hearing fails at the end of the stream. */
void stream_tell(int fd);
void stream_hear(int fd);

void stream_write_text(int fd, const char *text);

/* The next bytes are exactly these; more may follow. */
void stream_expect_text(int fd, const char *text);

/* Nothing is left, and nobody can write any more. */
void stream_expect_end(int fd);

/* Nothing is there at this moment, and it is not the end. */
void stream_expect_nothing(int fd);

/* The caller's own setting of its open file description. */
void stream_set_nonblocking(int fd, bool on);
bool stream_is_nonblocking(int fd);

/*
 * Writes up to `bytes` to a descriptor that does not block, until it has taken nothing for
 * STREAM_QUIET_MS; returns how many it took.
 */
size_t stream_fill(int fd, const void *from, size_t bytes);

/* Puts `fd` on standard input, and closes it; stream_release_input() puts /dev/null there. */
void stream_set_input(int fd);
void stream_release_input(void);

#endif
