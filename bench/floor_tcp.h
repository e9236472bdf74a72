/* SPDX-License-Identifier: MIT */
/*
 * Floors made of plain TCP over loopback.
 */
#ifndef BENCH_FLOOR_TCP_H
#define BENCH_FLOOR_TCP_H

#include <stddef.h>
#include <stdint.h>

/* A listening socket on loopback, on a port that the kernel picks; -1 after a message. */
int floor_tcp_listen(uint16_t *port);

/* A connection to that port; -1 after a message. */
int floor_tcp_connect(uint16_t port);

/*
 * How long it takes to write memory to a connection until another process has read it into
 * fresh pages of 4 KiB.  0, or -1 after a message.
 */
int floor_tcp(const void *memory, size_t bytes, int64_t *floor_ns);

#endif
